#include "cli/load.hh"

#include <utility>

#include "readers/read_scenario.hh"

namespace pleat {
namespace {

// A line as `pleat do` takes it has no time: then it is for the very start.
std::string timed(const std::string& line) {
    const bool has_time = !line.empty() && line.front() >= '0' && line.front() <= '9';
    return has_time ? line : "0s: " + line;
}

}  // namespace

ReadOptions read_options(const TopologyArguments& arguments) {
    ReadOptions options;
    options.variables = variables_of(arguments.variables);
    for (const std::string& line : arguments.events) options.extra_events.push_back(timed(line));
    options.events_file = arguments.events_file;
    options.seed = arguments.seed;
    return options;
}

std::map<std::string, std::string> variables_of(const Variables& variables) {
    std::map<std::string, std::string> result;
    // Of two values of one name the later counts.
    for (const auto& [name, value] : variables) result[name] = value;
    return result;
}

std::optional<Scenario> shown(ReadOutcome outcome, Output& output) {
    for (const Problem& problem : outcome.problems) {
        output.complaint(render(problem, output.style().colour));
    }
    return std::move(outcome.scenario);
}

std::optional<Scenario> load_topology(const TopologyArguments& arguments, Output& output) {
    return shown(read_scenario(arguments.file, read_options(arguments)), output);
}

}  // namespace pleat
