// pleat validate: every problem of topology files, each with its place; and whether a
// controller's machines, and the network between them, could carry them.
#include <map>

#include <fmt/format.h>

#include "base/joined.hh"
#include "cli/commands.hh"
#include "cli/controller_link.hh"
#include "cli/json.hh"
#include "cli/load.hh"

namespace pleat {

namespace {

std::string hosts_by_machine(const std::vector<std::string>& machine_of_host) {
    std::map<std::string, std::size_t> hosts;
    for (const std::string& machine : machine_of_host) ++hosts[machine];
    std::vector<std::string> parts;
    parts.reserve(hosts.size());
    for (const auto& [machine, count] : hosts) {
        parts.push_back(fmt::format("{}: {}", machine, count));
    }
    return fmt::format("hosts on {}", joined(parts, ", "));
}

// What one placement can't be checked for is a failure here: it is what was asked.
ExitCode check_placement(const Scenario& scenario, const std::string& file, ControllerLink& link,
                         bool json, std::vector<ProblemRow>& rows, Output& output) {
    const auto checked = link.wait<PlacementChecked>(CheckPlacement{.scenario = scenario});
    if (!checked) {
        output.error(fmt::format("{}: {}", file, checked.error().message));
        return checked.error().code;
    }
    if (json) {
        for (const std::string& problem : checked->problems) {
            rows.push_back({file, 0, 0, "error", "network", problem, {}});
        }
        for (const std::string& note : checked->notes) {
            rows.push_back({file, 0, 0, "warning", "network-unknown", note, {}});
        }
    } else {
        for (const std::string& note : checked->notes) output.warning(note);
        if (!checked->refusal.empty()) output.error(fmt::format("{}: {}", file, checked->refusal));
    }
    if (!checked->problems.empty()) return ExitCode::invalid_topology;
    if (!checked->notes.empty()) return ExitCode::failed;
    output.done("machines", hosts_by_machine(checked->machines), {});
    return ExitCode::ok;
}

// The graver one.
ExitCode worse(ExitCode a, ExitCode b) {
    if (a == ExitCode::ok || b == ExitCode::ok) return a == ExitCode::ok ? b : a;
    return a == ExitCode::invalid_topology ? a : b;
}

}  // namespace

ExitCode execute(const ValidateArguments& arguments, Output& output) {
    std::optional<ControllerLink> link;
    if (arguments.machines) {
        const Result<ControllerPlace> place = find_controller(arguments.controller);
        if (!place) {
            output.error(place.error().message);
            return ExitCode::controller_unreachable;
        }
        link.emplace(*place);
    }
    ExitCode network = ExitCode::ok;
    ReadOptions options;
    options.variables = variables_of(arguments.variables);
    std::vector<ProblemRow> rows;
    std::size_t errors = 0;
    for (const std::string& file : arguments.files) {
        const ReadOutcome outcome = read_scenario(file, options);
        for (const Problem& problem : outcome.problems) {
            if (problem.severity == Problem::Severity::error) ++errors;
            if (arguments.json) {
                rows.push_back({problem.file, problem.line, problem.column,
                                severity_text(problem.severity), problem.code, problem.message,
                                problem.suggest});
            } else {
                output.complaint(render(problem, output.style().colour));
            }
        }
        if (!outcome.scenario) continue;
        output.done("valid", file, {});
        if (!link) continue;
        network = worse(
            network, check_placement(*outcome.scenario, file, *link, arguments.json, rows, output));
    }
    if (arguments.json) output.data(problems_document(rows));
    return errors == 0 ? network : ExitCode::invalid_topology;
}

}  // namespace pleat
