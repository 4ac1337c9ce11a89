#include "controller/finished_runs.hh"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "wire/codec.hh"
#include "wire/output_file.hh"

namespace pleat {

RunFinished results_of(Store& store, const std::string& run) {
    const Result<ControlMessage> kept = decode_control(store.results_of(run));
    if (kept && std::holds_alternative<RunFinished>(*kept)) return std::get<RunFinished>(*kept);
    RunFinished nothing;
    nothing.run = run;
    nothing.failed = true;
    for (const StoredRun& stored : store.runs()) {
        if (stored.run == run && !stored.problem.empty()) nothing.problems = {stored.problem};
    }
    return nothing;
}

ControlMessage details_of(Store& store, RunInfo info, RunFinished results) {
    const Result<RunPlan> plan = store.plan_of(info.run);
    if (!plan) return Refused{.message = plan.error().message};
    for (const MachinePart& part : plan->parts) info.machines.push_back(part.machine);
    return RunDetails{
        .info = std::move(info), .scenario = plan->scenario, .results = std::move(results)};
}

ControlMessage output_of(Store& store, const ReadOutput& question) {
    const Result<RunPlan> plan = store.plan_of(question.run);
    if (!plan) return Refused{.message = "there is no run " + question.run};
    if (!host_named(*plan, question.host)) {
        return Refused{.message = "there is no host " + question.host + " in run " + question.run};
    }
    OutputPiece piece = read_output(
        fmt::format("{}/logs/{}.log", plan->options.run_directory, question.host), question.offset);
    piece.ticket = question.ticket;
    piece.over = true;
    return piece;
}

std::optional<HostId> host_named(const RunPlan& plan, const std::string& name) {
    const auto& hosts = plan.scenario.topology.hosts();
    const auto found = std::ranges::find(hosts, name, &Host::name);
    if (found == hosts.end()) return {};
    return HostId{static_cast<std::uint32_t>(found - hosts.begin())};
}

}  // namespace pleat
