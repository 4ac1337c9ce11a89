// The large control messages: what is submitted, prepared and reported of a run.
#include "wire/run_codec.hh"

#include <algorithm>
#include <utility>

#include "control.pb.h"
#include "wire/scenario_codec.hh"
#include "wire/table_codec.hh"

namespace pleat::codec {

namespace {

template <typename Texts>
std::vector<std::string> texts(const Texts& in) {
    return {in.begin(), in.end()};
}

void put(const RunOptions& options, proto::RunOptions& out) {
    out.set_run(options.run);
    out.set_run_directory(options.run_directory);
    out.set_runtime_directory(options.runtime_directory);
    out.set_data_plane(options.data_plane);
    out.set_sample_interval_ns(options.sample_interval.count());
    out.set_samples(options.samples);
    out.set_no_applications(options.no_applications);
    out.set_ready_deadline_ns(options.ready_deadline.count());
    out.set_compare_shares(options.compare_shares);
    out.set_encrypt(options.encrypt);
    out.set_takeover(options.takeover);
}

RunOptions run_options(const proto::RunOptions& in, Refusal& refusal) {
    RunOptions options;
    options.run = in.run();
    options.run_directory = in.run_directory();
    options.runtime_directory = in.runtime_directory();
    options.data_plane = in.data_plane();
    options.sample_interval =
        length_of_time(in.sample_interval_ns(), "a sample interval that is negative", refusal);
    options.samples = in.samples();
    options.no_applications = in.no_applications();
    options.ready_deadline =
        length_of_time(in.ready_deadline_ns(), "a deadline that is negative", refusal);
    options.compare_shares = in.compare_shares();
    options.encrypt = in.encrypt();
    options.takeover = in.takeover();
    return options;
}

void put(const HostResult& result, proto::HostResult& out) {
    out.set_host(result.host.value);
    out.set_address(result.address);
    out.set_started(result.started);
    out.set_started_at_ns(nanoseconds_of(result.started_at));
    if (result.exit_code) out.set_exit_code(*result.exit_code);
    out.set_ended_by_us(result.ended_by_us);
    out.set_log(result.log);
    out.set_problem(result.problem);
}

template <typename Hosts>
std::vector<HostResult> host_results(const Hosts& in) {
    std::vector<HostResult> hosts;
    for (const proto::HostResult& each : in) {
        HostResult host;
        host.host = HostId{each.host()};
        host.address = each.address();
        host.started = each.started();
        host.started_at = experiment_time(each.started_at_ns());
        if (each.has_exit_code()) host.exit_code = each.exit_code();
        host.ended_by_us = each.ended_by_us();
        host.log = each.log();
        host.problem = each.problem();
        hosts.push_back(std::move(host));
    }
    return hosts;
}

void put(const EpochResult& result, proto::EpochResult& out) {
    out.set_epoch(result.epoch.value);
    out.set_planned_ns(nanoseconds_of(result.planned));
    out.set_late_ns(result.late.count());
    for (const std::string& event : result.events) out.add_events(event);
}

EpochResult epoch_result(const proto::EpochResult& in) {
    return {.epoch = EpochId{in.epoch()},
            .planned = experiment_time(in.planned_ns()),
            .late = Duration{in.late_ns()},
            .events = texts(in.events())};
}

// Differences and sums of instants wrap around, so that any instants survive.
std::int64_t difference(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

std::int64_t sum(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

void put(const FlowSeries& series, proto::FlowSeries& out) {
    out.set_source_host(series.flow.source.value);
    out.set_destination_host(series.flow.destination.value);
    std::int64_t before = 0;
    for (const ExperimentTime at : series.at) {
        out.add_at_delta_ns(difference(nanoseconds_of(at), before));
        before = nanoseconds_of(at);
    }
    out.mutable_allowed_bits_per_second()->Assign(series.allowed_bps.begin(),
                                                  series.allowed_bps.end());
    out.mutable_measured_bits_per_second()->Assign(series.measured_bps.begin(),
                                                   series.measured_bps.end());
}

FlowSeries flow_series(const proto::FlowSeries& in, Refusal& refusal) {
    FlowSeries series;
    series.flow = {.source = HostId{in.source_host()},
                   .destination = HostId{in.destination_host()}};
    refusal.require(in.at_delta_ns_size() == in.allowed_bits_per_second_size() &&
                        in.at_delta_ns_size() == in.measured_bits_per_second_size(),
                    "columns of different lengths");
    std::int64_t at = 0;
    for (const std::int64_t delta : in.at_delta_ns()) {
        at = sum(at, delta);
        series.at.push_back(experiment_time(at));
    }
    series.allowed_bps.assign(in.allowed_bits_per_second().begin(),
                              in.allowed_bits_per_second().end());
    series.measured_bps.assign(in.measured_bits_per_second().begin(),
                               in.measured_bits_per_second().end());
    return series;
}

void put(const ControlTraffic& traffic, proto::ControlTraffic& out) {
    out.set_messages_sent(traffic.messages_sent);
    out.set_bytes_sent(traffic.bytes_sent);
}

ControlTraffic control_traffic(const proto::ControlTraffic& in) {
    return {.messages_sent = in.messages_sent(), .bytes_sent = in.bytes_sent()};
}

}  // namespace

void put(const Submit& submit, proto::Submit& out) {
    put(submit.scenario, *out.mutable_scenario());
    out.set_source_text(submit.source_text);
    put(submit.options, *out.mutable_options());
    out.set_detached(submit.detached);
    out.set_ignore_network(submit.ignore_network);
}

Submit submit(const proto::Submit& in, Refusal& refusal) {
    return {.scenario = scenario(in.scenario(), refusal),
            .source_text = in.source_text(),
            .options = run_options(in.options(), refusal),
            .detached = in.detached(),
            .ignore_network = in.ignore_network()};
}

void put(const NodeAddress& address, proto::NodeAddress& out) {
    out.set_states(address.states);
    out.set_snapshots(address.snapshots);
    out.set_key(address.key);
}

NodeAddress node_address(const proto::NodeAddress& in, Refusal& refusal) {
    refusal.require(in.key().empty() || in.key().size() == kKeySize, kBadKey);
    return {.states = in.states(), .snapshots = in.snapshots(), .key = in.key()};
}

void put(const VxlanEnd& end, proto::VxlanEnd& out) {
    out.set_port(end.port);
    out.set_network(end.network);
}

VxlanEnd vxlan_end(const proto::VxlanEnd& in, Refusal& refusal) {
    constexpr std::uint32_t kMostPort = 0xffff;
    constexpr std::uint32_t kMostNetwork = 0xffffff;
    refusal.require(in.port() <= kMostPort && in.network() <= kMostNetwork,
                    "a VXLAN port or network that can't be");
    return VxlanEnd{.port = in.port(), .network = in.network()};
}

void put(const PrepareRun& prepare, proto::PrepareRun& out) {
    put(prepare.options, *out.mutable_options());
    put(prepare.scenario, *out.mutable_scenario());
    for (const HostId host : prepare.local_hosts) out.add_local_hosts(host.value);
    put(prepare.base, *out.mutable_base());
    for (const ExperimentTime start : prepare.epoch_starts) {
        out.add_epoch_start_ns(nanoseconds_of(start));
    }
    for (const std::vector<std::string>& events : prepare.epoch_events) {
        proto::PrepareRun::EventTexts& added = *out.add_epoch_events();
        for (const std::string& text : events) added.add_texts(text);
    }
    for (const Peer& peer : prepare.peers) {
        proto::Peer& added = *out.add_peers();
        added.set_name(peer.name);
        put(peer.address, *added.mutable_address());
        for (const HostId host : peer.hosts) added.add_hosts(host.value);
        added.set_way(peer.way);
        added.set_way_key(peer.way_key);
        put(peer.vxlan, *added.mutable_vxlan());
    }
}

std::optional<PrepareRun> prepare_run(const proto::PrepareRun& in, Refusal& refusal) {
    RunOptions options = run_options(in.options(), refusal);
    Scenario whole = scenario(in.scenario(), refusal);
    if (refusal.any()) return {};  // the rest is checked against the scenario
    std::optional<PathTable> base = path_table(in.base(), whole.topology, refusal);
    if (!base) return {};
    std::vector<HostId> local_hosts;
    for (const std::uint32_t host : in.local_hosts()) {
        local_hosts.push_back(id<HostId>(host, whole.topology.hosts().size(),
                                         "a local host that does not exist", refusal));
    }
    std::vector<ExperimentTime> starts;
    for (const std::int64_t start : in.epoch_start_ns()) starts.push_back(experiment_time(start));
    std::vector<std::vector<std::string>> events;
    for (const proto::PrepareRun::EventTexts& each : in.epoch_events()) {
        events.push_back(texts(each.texts()));
    }
    const std::size_t hosts = whole.topology.hosts().size();
    std::vector<Peer> peers;
    for (const proto::Peer& each : in.peers()) {
        Peer& peer = peers.emplace_back();
        peer.name = each.name();
        peer.address = node_address(each.address(), refusal);
        peer.way = each.way();
        peer.way_key = each.way_key();
        peer.vxlan = vxlan_end(each.vxlan(), refusal);
        const std::size_t key = peer.way.empty() ? 0 : kKeySize;
        refusal.require(peer.way_key.size() == key, "a key of a way that is not 32 bytes");
        for (const std::uint32_t host : each.hosts()) {
            peer.hosts.push_back(id<HostId>(host, hosts, "a host that does not exist", refusal));
        }
    }
    refusal.require(starts.size() == events.size(), "not one list of events to each epoch");
    refusal.require(std::ranges::is_sorted(starts), "epochs that are not in order");
    if (refusal.any()) return {};
    return PrepareRun{.options = std::move(options),
                      .scenario = std::move(whole),
                      .local_hosts = std::move(local_hosts),
                      .base = *std::move(base),
                      .epoch_starts = std::move(starts),
                      .epoch_events = std::move(events),
                      .peers = std::move(peers)};
}

void put(const RunEnded& ended, proto::RunEnded& out) {
    out.set_reason(ended.reason);
    out.set_failed(ended.failed);
    out.set_interrupted(ended.interrupted);
    for (const std::string& problem : ended.problems) out.add_problems(problem);
    for (const HostResult& host : ended.hosts) put(host, *out.add_hosts());
    put(ended.control, *out.mutable_control());
}

RunEnded run_ended(const proto::RunEnded& in) {
    return {.reason = in.reason(),
            .failed = in.failed(),
            .interrupted = in.interrupted(),
            .problems = texts(in.problems()),
            .hosts = host_results(in.hosts()),
            .control = control_traffic(in.control())};
}

void put(const ChangeResult& change, proto::ChangeResult& out) {
    out.set_number(change.number);
    if (change.version) out.set_version(*change.version);
    out.set_epoch(change.epoch.value);
    out.set_at_ns(nanoseconds_of(change.at));
    out.set_late_ns(change.late.count());
    for (const std::string& line : change.lines) out.add_lines(line);
    for (const std::string& machine : change.missing) out.add_missing(machine);
}

ChangeResult change_result(const proto::ChangeResult& in) {
    ChangeResult result{.number = in.number(),
                        .version = {},
                        .epoch = EpochId{in.epoch()},
                        .at = experiment_time(in.at_ns()),
                        .late = Duration{in.late_ns()},
                        .lines = texts(in.lines()),
                        .missing = texts(in.missing())};
    if (in.has_version()) result.version = in.version();
    return result;
}

void put(const RunFinished& finished, proto::RunFinished& out) {
    out.set_run(finished.run);
    out.set_failed(finished.failed);
    out.set_interrupted(finished.interrupted);
    for (const std::string& problem : finished.problems) out.add_problems(problem);
    out.set_data_plane(finished.data_plane);
    for (const HostResult& host : finished.hosts) put(host, *out.add_hosts());
    for (const EpochResult& epoch : finished.epochs) put(epoch, *out.add_epochs());
    for (const FlowSeries& flow : finished.flows) put(flow, *out.add_flows());
    put(finished.control, *out.mutable_control());
    for (const MachineResult& machine : finished.machines) {
        proto::MachineResult& added = *out.add_machines();
        added.set_name(machine.name);
        added.set_data_plane(machine.data_plane);
        put(machine.control, *added.mutable_control());
        added.set_clock_error_ns(machine.clock_error.count());
    }
    for (const ChangeResult& change : finished.changes) put(change, *out.add_changes());
    out.set_exit_code(finished.exit_code);
}

RunFinished run_finished(const proto::RunFinished& in, Refusal& refusal) {
    RunFinished result;
    result.run = in.run();
    result.failed = in.failed();
    result.interrupted = in.interrupted();
    result.problems = texts(in.problems());
    result.data_plane = in.data_plane();
    result.hosts = host_results(in.hosts());
    for (const proto::EpochResult& each : in.epochs()) result.epochs.push_back(epoch_result(each));
    for (const proto::FlowSeries& each : in.flows()) {
        result.flows.push_back(flow_series(each, refusal));
    }
    result.control = control_traffic(in.control());
    for (const proto::MachineResult& each : in.machines()) {
        result.machines.push_back({.name = each.name(),
                                   .data_plane = each.data_plane(),
                                   .control = control_traffic(each.control()),
                                   .clock_error = Duration{each.clock_error_ns()}});
    }
    for (const proto::ChangeResult& each : in.changes()) {
        result.changes.push_back(change_result(each));
    }
    result.exit_code = in.exit_code();
    return result;
}

}  // namespace pleat::codec
