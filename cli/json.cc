#include "cli/json.hh"

#include <nlohmann/json.hpp>

namespace pleat {
namespace {

// Keys in the order in which they are written.
using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;

// Text from outside (a log's name, an error of the system) may be no UTF-8: what is not
// is replaced, never thrown at.
std::string text_of_json(const Json& document, bool indented) {
    return document.dump(indented ? 1 : -1, ' ', false, Json::error_handler_t::replace) + "\n";
}

double in_seconds(ExperimentTime time) {
    return std::chrono::duration<double>{time.time_since_epoch()}.count();
}

// Whole where it is whole: 40000, 0.5.
Json in_microseconds(Duration time) {
    if (time.count() % 1000 == 0) return time.count() / 1000;
    return static_cast<double>(time.count()) / 1000.0;
}

std::string name_of(const Scenario& scenario, HostId host) {
    const auto hosts = scenario.topology.hosts();
    return host.value < hosts.size() ? hosts[host.value].name : "#" + std::to_string(host.value);
}

// The share of a flow that nothing limits is no number.
Json rates(const std::vector<std::uint64_t>& bits_per_second) {
    Json result = Json::array();
    for (const std::uint64_t rate : bits_per_second) {
        const bool unlimited =
            rate >= static_cast<std::uint64_t>(Bandwidth::unlimited().bits_per_second());
        result.push_back(unlimited ? Json(nullptr) : Json(rate));
    }
    return result;
}

Json epochs_of(const RunFinished& finished) {
    Json result = Json::array();
    for (const EpochResult& epoch : finished.epochs) {
        result.push_back(
            {{"epoch", epoch.epoch.value},
             {"planned_s", in_seconds(epoch.planned)},
             {"late_us", std::chrono::round<std::chrono::microseconds>(epoch.late).count()},
             {"events", epoch.events}});
    }
    return result;
}

Json change_of(const ChangeResult& change) {
    return {{"change", change.number},
            {"version", change.version ? Json(*change.version) : Json(nullptr)},
            {"epoch", change.epoch.value},
            {"t_s", in_seconds(change.at)},
            {"late_us", std::chrono::round<std::chrono::microseconds>(change.late).count()},
            {"events", change.lines},
            {"missing", change.missing}};
}

Json flows_of(const RunFinished& finished, const Scenario& scenario) {
    Json result = Json::array();
    for (const FlowSeries& series : finished.flows) {
        Json times = Json::array();
        for (const ExperimentTime at : series.at) times.push_back(in_seconds(at));
        result.push_back({{"src", name_of(scenario, series.flow.source)},
                          {"dst", name_of(scenario, series.flow.destination)},
                          {"t_s", std::move(times)},
                          {"allowed_bps", rates(series.allowed_bps)},
                          {"measured_bps", rates(series.measured_bps)}});
    }
    return result;
}

Json hosts_of(const RunFinished& finished, const Scenario& scenario) {
    Json result = Json::array();
    for (const HostResult& host : finished.hosts) {
        Json row{{"name", name_of(scenario, host.host)}, {"address", host.address}};
        row["exit_code"] = host.exit_code ? Json(*host.exit_code) : Json(nullptr);
        row["started_s"] = host.started ? Json(in_seconds(host.started_at)) : Json(nullptr);
        row["log"] = host.log;
        if (!host.problem.empty()) row["problem"] = host.problem;
        result.push_back(std::move(row));
    }
    return result;
}

// Before the run was prepared, nobody knows them.
Json machine_names(const RunFinished& finished) {
    Json names = Json::array();
    for (const MachineResult& machine : finished.machines) names.push_back(machine.name);
    return names;
}

Json control_of(const RunFinished& finished) {
    Json control{{"messages_sent", finished.control.messages_sent},
                 {"bytes_sent", finished.control.bytes_sent}};
    if (finished.machines.size() < 2) return control;
    Json machines = Json::array();
    for (const MachineResult& machine : finished.machines) {
        machines.push_back({{"machine", machine.name},
                            {"messages_sent", machine.control.messages_sent},
                            {"bytes_sent", machine.control.bytes_sent},
                            {"clock_error_us", in_microseconds(machine.clock_error)}});
    }
    control["machines"] = std::move(machines);
    return control;
}

}  // namespace

std::string run_document(const RunResults& results, const Scenario& scenario, bool flows_asked,
                         bool indented) {
    const RunFinished& finished = results.finished;
    Json document{{"v", kVersion},
                  {"run", results.run},
                  {"name", scenario.name},
                  {"seed", scenario.seed},
                  {"data_plane", finished.data_plane},
                  {"machines", machine_names(finished)},
                  {"directory", results.directory},
                  {"verdict", results.verdict},
                  {"reasons", results.reasons}};
    document["failed"] = finished.failed;
    document["interrupted"] = finished.interrupted;
    document["problems"] = finished.problems;
    document["epochs"] = epochs_of(finished);
    document["changes"] = Json::array();
    for (const ChangeResult& change : finished.changes) {
        document["changes"].push_back(change_of(change));
    }
    if (flows_asked || finished.flows.size() <= kMostFlowsUnasked) {
        document["flows"] = flows_of(finished, scenario);
    }
    document["hosts"] = hosts_of(finished, scenario);
    document["probes"] = Json::array();
    document["control"] = control_of(finished);
    return text_of_json(document, indented);
}

std::string path_row(const Topology& topology, HostId source, HostId destination, EpochId epoch,
                     const Path& path, const std::optional<PlacedPath>& placed) {
    Json hops = Json::array({topology.host(source).name});
    for (const LinkId link : path.links) hops.push_back(topology.name(topology.link(link).to));
    Json row{{"src", topology.host(source).name},
             {"dst", topology.host(destination).name},
             {"epoch", epoch.value},
             {"latency_us", in_microseconds(path.latency)},
             {"rtt_us", in_microseconds(path.rtt)},
             {"jitter_us", in_microseconds(path.jitter)},
             {"loss", path.loss.value()}};
    row["bandwidth_bps"] =
        path.bandwidth.is_unlimited() ? Json(nullptr) : Json(path.bandwidth.bits_per_second());
    row["hops"] = std::move(hops);
    if (placed) {
        const bool is_known = placed->real || placed->is_on_one_machine();
        row["machines"] = {placed->source, placed->destination};
        row["real_latency_us"] =
            is_known ? in_microseconds(placed->real.value_or(Duration{})) : Json(nullptr);
        row["added_latency_us"] = is_known ? in_microseconds(placed->added) : Json(nullptr);
        row["real_is_larger"] = placed->is_too_quick;
    }
    return row.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string path_statistics_document(const PathStatistics& statistics) {
    return text_of_json({{"v", kVersion},
                         {"epochs", statistics.epochs},
                         {"trees", statistics.trees},
                         {"seconds", statistics.seconds},
                         {"bytes", statistics.bytes}},
                        false);
}

std::string problems_document(std::span<const ProblemRow> problems) {
    Json rows = Json::array();
    for (const ProblemRow& problem : problems) {
        Json row{{"file", problem.file},
                 {"line", problem.line},
                 {"column", problem.column},
                 {"severity", problem.severity},
                 {"code", problem.code},
                 {"message", problem.message},
                 {"suggest", Json(problem.suggest)}};
        if (problem.suggest.empty()) row["suggest"] = nullptr;
        rows.push_back(std::move(row));
    }
    return text_of_json({{"v", kVersion}, {"problems", std::move(rows)}}, true);
}

std::string doctor_document(std::span<const Probe> probes, std::string_view data_plane,
                            std::string_view reason) {
    bool ok = true;
    Json rows = Json::array();
    for (const Probe& probe : probes) {
        ok = ok && (probe.ok || !probe.needed);
        Json row{
            {"name", probe.name}, {"ok", probe.ok}, {"needed", probe.needed}, {"text", probe.text}};
        row["hint"] = probe.hint.empty() ? Json(nullptr) : Json(probe.hint);
        rows.push_back(std::move(row));
    }
    Json document{{"v", kVersion}, {"ok", ok}};
    document["data_plane"] = data_plane.empty() ? Json(nullptr) : Json(data_plane);
    document["reason"] = reason;
    document["probes"] = std::move(rows);
    return text_of_json(document, true);
}

std::string clean_document(const CleanReport& report, bool dry_run) {
    Json runs = Json::array();
    for (const RunLeftover& leftover : report.cleaned) {
        Json processes = Json::array();
        for (const LedgerProcess& process : leftover.processes) {
            processes.push_back({{"role", process.role}, {"pid", process.pid}});
        }
        runs.push_back({{"run", leftover.run},
                        {"directory", leftover.directory},
                        {"processes", std::move(processes)},
                        {"paths", leftover.paths}});
    }
    return text_of_json({{"v", kVersion},
                         {"dry_run", dry_run},
                         {"runs", std::move(runs)},
                         {"processes_ended", report.processes_ended},
                         {"paths_removed", report.paths_removed},
                         {"interfaces_restored", report.interfaces_restored},
                         {"problems", report.problems}},
                        true);
}

std::string change_document(const std::string& run, const ChangeResult& change) {
    Json document{{"v", kVersion}, {"run", run}};
    document.update(change_of(change));
    return text_of_json(document, true);
}

std::string runs_document(const Runs& runs) {
    Json rows = Json::array();
    for (const RunInfo& run : runs.runs) {
        Json row{{"run", run.run},           {"name", run.name},
                 {"state", run.state},       {"submitted_at", run.submitted_at},
                 {"machines", run.machines}, {"directory", run.directory}};
        if (!run.problem.empty()) row["problem"] = run.problem;
        rows.push_back(std::move(row));
    }
    return text_of_json({{"v", kVersion}, {"runs", std::move(rows)}}, true);
}

std::string submission_document(const Submitted& submitted, const std::string& run,
                                const std::string& name, const std::string& state) {
    return text_of_json({{"v", kVersion},
                         {"run", run},
                         {"name", name},
                         {"state", state},
                         {"hosts", submitted.hosts},
                         {"epochs", submitted.epochs},
                         {"paths", submitted.paths},
                         {"notes", submitted.notes}},
                        true);
}

std::string end_document(const std::string& run, const std::string& state, ExitCode code,
                         const std::vector<std::string>& problems) {
    return text_of_json({{"v", kVersion},
                         {"run", run},
                         {"state", state},
                         {"exit_code", static_cast<int>(code)},
                         {"problems", problems}},
                        true);
}

namespace {

Json machine_rows(const Machines& machines) {
    const auto microseconds = [](const std::optional<Duration>& duration) {
        return duration ? in_microseconds(*duration) : Json(nullptr);
    };
    Json rows = Json::array();
    for (const MachineInfo& machine : machines.machines) {
        rows.push_back({{"name", machine.name},
                        {"connected", machine.connected},
                        {"version", machine.version},
                        {"labels", machine.labels},
                        {"hosts", machine.hosts},
                        {"room", machine.room ? Json(*machine.room) : Json(nullptr)},
                        {"round_trip_us", microseconds(machine.round_trip)},
                        {"clock_error_us", microseconds(machine.clock_error)}});
    }
    return rows;
}

Json rate_of(const std::optional<MeasuredRate>& rate) {
    if (!rate) return nullptr;
    return {{"bps", rate->rate.bits_per_second()}, {"error_bps", rate->error_bps}};
}

}  // namespace

std::string machines_document(const Machines& machines) {
    return text_of_json({{"v", kVersion}, {"machines", machine_rows(machines)}}, true);
}

std::string machines_document(const Machines& machines, const Ways& ways) {
    Json rows = Json::array();
    for (const WayInfo& way : ways.ways) {
        Json row{{"from", way.from}, {"to", way.to}};
        if (way.quality) {
            const WayQuality& quality = *way.quality;
            row["measured_at"] = way.measured_at;
            row["round_trip_us"] = {{"least", in_microseconds(quality.round_trips.least)},
                                    {"median", in_microseconds(quality.round_trips.median)}};
            row["mtu"] = quality.mtu.bytes();
            row["rates_measured_at"] =
                way.rates_measured_at.empty() ? Json(nullptr) : Json(way.rates_measured_at);
            row["there"] = rate_of(quality.there);
            row["back"] = rate_of(quality.back);
        }
        if (!way.problem.empty()) row["problem"] = way.problem;
        if (!way.note.empty()) row["note"] = way.note;
        rows.push_back(std::move(row));
    }
    return text_of_json(
        {{"v", kVersion}, {"machines", machine_rows(machines)}, {"network", std::move(rows)}},
        true);
}

std::string version_document(std::string_view version) {
    return text_of_json({{"v", kVersion}, {"version", version}}, false);
}

}  // namespace pleat
