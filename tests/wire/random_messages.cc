#include "tests/wire/random_messages.hh"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "model/epochs.hh"

namespace pleat::testing {

namespace {

// Large and small, and the ends of the range.
std::uint64_t number(Random& random) {
    switch (below(random, 3)) {
        case 0:
            return static_cast<std::uint64_t>(below(random, 9));
        case 1:
            return std::numeric_limits<std::uint64_t>::max() -
                   static_cast<std::uint64_t>(below(random, 1));
        default:
            return random();
    }
}

std::uint32_t number32(Random& random) {
    return static_cast<std::uint32_t>(number(random));
}

VxlanEnd vxlan_end(Random& random) {
    return {.port = number32(random) >> 16U, .network = number32(random) >> 8U};
}

bool flag(Random& random) {
    return below(random, 1) == 1;
}

// Any bytes, mostly few.
std::string text(Random& random) {
    std::string result;
    const int size = below(random, 9) == 0 ? 300 : below(random, 12);
    for (int i = 0; i < size; ++i) result.push_back(static_cast<char>(below(random, 255)));
    return result;
}

std::vector<std::string> texts(Random& random) {
    std::vector<std::string> result(static_cast<std::size_t>(below(random, 3)));
    std::ranges::generate(result, [&random] { return text(random); });
    return result;
}

Duration duration(Random& random) {
    return Duration{static_cast<std::int64_t>(number(random) >> 1U)};
}

ExperimentTime instant(Random& random) {
    return ExperimentTime{Duration{static_cast<std::int64_t>(number(random))}};
}

Instant clock_instant(Random& random) {
    return Instant{Duration{static_cast<std::int64_t>(number(random))}};
}

Probability probability(Random& random) {
    return Probability::of(std::uniform_real_distribution<double>{0.0, 1.0}(random));
}

GilbertElliott burst_loss(Random& random) {
    return {probability(random), probability(random), probability(random), probability(random)};
}

QueueLimit queue(Random& random) {
    return {static_cast<QueueLimit::Kind>(below(random, 3)), duration(random).count()};
}

LinkPatch patch(Random& random) {
    LinkPatch p;
    if (flag(random)) p.latency = Duration{below(random, 1'000'000)};
    if (flag(random)) p.jitter = Duration{below(random, 1'000'000)};
    if (flag(random)) p.distribution = static_cast<JitterDistribution>(below(random, 2));
    if (flag(random)) p.loss = probability(random);
    if (flag(random)) p.burst_loss = burst_loss(random);
    if (flag(random)) p.reorder = probability(random);
    if (flag(random)) p.duplicate = probability(random);
    if (flag(random)) p.corrupt = probability(random);
    if (flag(random)) p.bandwidth = Bandwidth::unlimited();
    if (flag(random)) p.bandwidth = Bandwidth::bits_per_second(1 + duration(random).count() / 2);
    if (flag(random)) p.queue = queue(random);
    if (flag(random)) p.overhead = Overhead{below(random, 64)};
    return p;
}

// Every property, in links of a topology that is otherwise as others have it.
Topology random_topology(Random& random) {
    const Shape shape{
        .bridges = below(random, 8), .hosts = 1 + below(random, 5), .bridge_links = 6};
    Parts parts = random_parts(random, shape.bridges == 0 ? Shape{.bridges = 1} : shape);
    for (Parts::NamedLink& link : parts.links) {
        link.properties = merged(link.properties, patch(random));
        if (flag(random)) link.properties.burst_loss = burst_loss(random);
    }
    for (Host& host : parts.hosts) host.tags = texts(random);
    for (Bridge& bridge : parts.bridges) {
        bridge.label = text(random);
        bridge.hidden = flag(random);
    }
    return build(parts);
}

HostId a_host(Random& random, const Topology& topology) {
    return HostId{
        static_cast<std::uint32_t>(below(random, static_cast<int>(topology.hosts().size()) - 1))};
}

Application application(Random& random, const Topology& topology) {
    Application a;
    a.arguments = texts(random);
    for (const std::string& name : texts(random)) a.environment[name] = text(random);
    for (const std::string& name : texts(random)) a.sysctls[name] = text(random);
    a.user = text(random);
    switch (below(random, 3)) {
        case 0:
            a.ready = ReadyWhenListening{static_cast<std::uint16_t>(1 + below(random, 65534))};
            break;
        case 1:
            a.ready = ReadyWhenFile{text(random)};
            break;
        case 2:
            a.ready = ReadyAfter{duration(random)};
            break;
        default:
            break;
    }
    for (int i = below(random, 2); i > 0; --i) a.after.push_back(a_host(random, topology));
    a.main = flag(random);
    a.manual = flag(random);
    a.outside = flag(random);
    if (flag(random)) {
        a.attached = AttachedMachine{
            .machine = text(random), .ipv4 = number32(random), .stop = texts(random)};
    }
    switch (below(random, 4)) {
        case 0:
            a.place = PlaceOnMachine{"m" + text(random)};
            break;
        case 1:
            a.place = PlaceByLabel{"l" + text(random)};
            break;
        case 2:
            a.place = PlaceSpread{};
            break;
        case 3:
            a.place = PlacePack{};
            break;
        default:
            break;
    }
    a.not_yet = texts(random);
    return a;
}

// Events that random_timeline() does not make.
TimedEvent other_event(Random& random, const Topology& topology) {
    TimedEvent timed;
    timed.at = ExperimentTime{Duration{below(random, 1'000'000)}};
    timed.text = text(random);
    timed.overlay = number32(random);
    timed.phase = static_cast<Phase>(below(random, 2));
    switch (below(random, 4)) {
        case 0:
            timed.event = HostAction{static_cast<HostAction::Kind>(below(random, 5)),
                                     a_host(random, topology)};
            break;
        case 1:
            timed.event = Execute{a_host(random, topology), texts(random)};
            break;
        case 2:
            timed.event = Mark{text(random)};
            break;
        case 3:
            timed.event = LinkReset{LinkId{0}};
            break;
        default:
            timed.event = Quit{};
            break;
    }
    return timed;
}

RunOptions options(Random& random) {
    return {.run = text(random),
            .run_directory = text(random),
            .runtime_directory = text(random),
            .data_plane = text(random),
            .sample_interval = duration(random),
            .samples = flag(random),
            .no_applications = flag(random),
            .ready_deadline = duration(random),
            .compare_shares = flag(random),
            .encrypt = flag(random),
            .takeover = flag(random)};
}

FlowKey flow(Random& random) {
    return {HostId{static_cast<std::uint32_t>(below(random, 50))},
            HostId{static_cast<std::uint32_t>(below(random, 50))}};
}

DemandState demand(Random& random) {
    return *DemandState::from_code(static_cast<std::uint32_t>(below(random, 255)));
}

HostResult host_result(Random& random) {
    HostResult h;
    h.host = HostId{number32(random)};
    h.address = text(random);
    h.started = flag(random);
    h.started_at = instant(random);
    if (flag(random)) h.exit_code = below(random, 300) - 10;
    h.ended_by_us = flag(random);
    h.log = text(random);
    h.problem = text(random);
    return h;
}

std::vector<HostResult> host_results(Random& random) {
    std::vector<HostResult> hosts(static_cast<std::size_t>(below(random, 4)));
    std::ranges::generate(hosts, [&random] { return host_result(random); });
    return hosts;
}

NodeAddress address(Random& random) {
    return {text(random), text(random), flag(random) ? std::string(32, '\x7f') : std::string{}};
}

ChangeResult change_result(Random& random) {
    ChangeResult change{number32(random),
                        {},
                        EpochId{number32(random)},
                        instant(random),
                        duration(random),
                        texts(random),
                        texts(random)};
    if (flag(random)) change.version = number32(random);
    return change;
}

RunFinished finished(Random& random) {
    RunFinished f;
    while (flag(random)) f.changes.push_back(change_result(random));
    f.run = text(random);
    f.failed = flag(random);
    f.interrupted = flag(random);
    f.problems = texts(random);
    f.data_plane = text(random);
    f.exit_code = below(random, 300) - 10;
    f.hosts = host_results(random);
    for (int i = below(random, 3); i > 0; --i) {
        f.epochs.push_back({EpochId{number32(random)}, instant(random),
                            instant(random).time_since_epoch(), texts(random)});
    }
    for (int i = below(random, 3); i > 0; --i) {
        FlowSeries series;
        series.flow = flow(random);
        for (int n = below(random, 20); n > 0; --n) {
            series.at.push_back(instant(random));
            series.allowed_bps.push_back(number(random));
            series.measured_bps.push_back(number(random));
        }
        f.flows.push_back(series);
    }
    f.control = {number(random), number(random)};
    for (int i = below(random, 3); i > 0; --i) {
        f.machines.push_back(
            {text(random), text(random), {number(random), number(random)}, duration(random)});
    }
    f.exit_code = below(random, 200);
    return f;
}

PrepareRun prepare_run(Random& random) {
    Scenario scenario = random_scenario(random);
    const Epochs epochs = compute_epochs(scenario);
    PrepareRun prepare{.options = options(random),
                       .scenario = std::move(scenario),
                       .local_hosts = {},
                       .base = epochs.base,
                       .epoch_starts = {},
                       .epoch_events = {},
                       .peers = {}};
    prepare.local_hosts.push_back(a_host(random, prepare.scenario.topology));
    for (const Epoch& epoch : epochs.epochs) {
        prepare.epoch_starts.push_back(epoch.start);
        prepare.epoch_events.push_back(epoch.events);
    }
    for (int i = below(random, 4); i > 0; --i) {
        prepare.peers.push_back(
            {text(random), address(random), {a_host(random, prepare.scenario.topology)}});
        if (!flag(random)) continue;
        prepare.peers.back().way = "[::1]:" + text(random);
        prepare.peers.back().way_key = std::string(32, static_cast<char>(below(random, 255)));
        prepare.peers.back().vxlan = vxlan_end(random);
    }
    return prepare;
}

PrepareEpoch prepare_epoch(Random& random) {
    Epochs epochs = compute_epochs(random_scenario(random));
    const int last = static_cast<int>(epochs.epochs.size()) - 1;
    return {std::move(epochs.epochs[static_cast<std::size_t>(below(random, last))].delta)};
}

RunEnded run_ended(Random& random) {
    return {.reason = text(random),
            .failed = flag(random),
            .interrupted = flag(random),
            .problems = texts(random),
            .hosts = host_results(random),
            .control = {number(random), number(random)}};
}

Submitted submitted(Random& random) {
    return {.run = text(random),
            .hosts = number32(random),
            .bridges = number32(random),
            .links = number32(random),
            .epochs = number32(random),
            .paths = number(random),
            .took = duration(random)};
}

// The one maker for each alternative of the variant.
template <typename Message>
Message make(Random& random);

template <>
Submit make(Random& r) {
    return {random_scenario(r), text(r), options(r), flag(r), flag(r)};
}

template <>
StartRun make(Random& r) {
    return {text(r)};
}

template <>
StopRun make(Random& r) {
    return {text(r), text(r)};
}

template <>
Shutdown make(Random&) {
    return {};
}

template <>
Submitted make(Random& r) {
    Submitted message = submitted(r);
    message.notes = texts(r);
    return message;
}

template <>
Refused make(Random& r) {
    return {text(r), 1 + below(r, 10)};
}

template <>
Stage make(Random& r) {
    return {text(r), text(r)};
}

template <>
Progress make(Random& r) {
    return {instant(r), EpochId{number32(r)}, number(r), number32(r), number32(r)};
}

template <>
RunFinished make(Random& r) {
    return finished(r);
}

template <>
Hello make(Random& r) {
    Hello hello{text(r), text(r), number(r), address(r)};
    if (flag(r)) hello.room = number32(r);
    while (flag(r)) {
        hello.runs.push_back(
            {text(r), static_cast<HeldRun::Stage>(number32(r) % 3), instant(r), number32(r)});
    }
    hello.processors = number32(r);
    return hello;
}

template <>
PrepareRun make(Random& r) {
    return prepare_run(r);
}

template <>
PrepareEpoch make(Random& r) {
    PrepareEpoch epoch = prepare_epoch(r);
    if (flag(r)) epoch.based_on = number32(r);
    return epoch;
}

template <>
Prepared make(Random& r) {
    return {number32(r), EpochId{number32(r)}, number(r)};
}

template <>
HostsReady make(Random& r) {
    return {number32(r), text(r)};
}

template <>
ClockPing make(Random& r) {
    return {number32(r), clock_instant(r)};
}

template <>
ClockPong make(Random& r) {
    return {number32(r), clock_instant(r), clock_instant(r)};
}

template <>
Begin make(Random& r) {
    return {clock_instant(r)};
}

template <>
BeginAccepted make(Random& r) {
    return {clock_instant(r)};
}

template <>
BeginRefused make(Random& r) {
    return {clock_instant(r), text(r)};
}

template <>
ConfirmBegin make(Random& r) {
    return {clock_instant(r)};
}

template <>
ChangeRun make(Random& r) {
    return {text(r), texts(r)};
}

template <>
RunChanged make(Random& r) {
    return {change_result(r)};
}

template <>
AnnounceChange make(Random& r) {
    AnnounceChange change{number32(r), {}, instant(r), {}, text(r)};
    if (flag(r)) change.version = number32(r);
    const Topology topology = random_topology(r);
    while (flag(r)) change.actions.push_back(other_event(r, topology));
    return change;
}

template <>
ChangeDone make(Random& r) {
    return {number32(r), duration(r)};
}

template <>
ChangeMissed make(Random& r) {
    return {number32(r)};
}

template <>
EndRun make(Random& r) {
    return {text(r), flag(r)};
}

template <>
RunEnded make(Random& r) {
    return run_ended(r);
}

template <>
LogChunk make(Random& r) {
    return {number(r), text(r)};
}

template <>
OpenWay make(Random&) {
    return {};
}

template <>
WayOpened make(Random& r) {
    return {text(r), vxlan_end(r)};
}

template <>
OutputChunk make(Random& r) {
    return {HostId{number32(r)}, number(r), text(r)};
}

template <>
ReadOutput make(Random& r) {
    return {text(r), text(r), number(r), number32(r)};
}

template <>
OutputPiece make(Random& r) {
    return {number32(r), number(r), text(r), number(r), flag(r)};
}

template <>
RunOnHost make(Random& r) {
    return {text(r), text(r), texts(r), number32(r)};
}

template <>
RanOnHost make(Random& r) {
    const std::optional<int> exit_code = below(r, 300) - 100;
    return {number32(r), flag(r) ? exit_code : std::nullopt, text(r)};
}

template <>
LogEnd make(Random& r) {
    return {number(r)};
}

template <>
NodeFailed make(Random& r) {
    return {text(r), below(r, 300) - 100};
}

template <>
Watch make(Random& r) {
    return {text(r), flag(r)};
}

template <>
Collect make(Random& r) {
    return {number(r)};
}

template <>
Forget make(Random&) {
    return {};
}

template <>
ListRuns make(Random&) {
    return {};
}

RunInfo run_info(Random& r) {
    return {text(r), text(r), text(r), text(r), text(r), text(r), texts(r)};
}

template <>
Runs make(Random& r) {
    Runs runs;
    for (int i = below(r, 4); i > 0; --i) runs.runs.push_back(run_info(r));
    return runs;
}

template <>
Inspect make(Random& r) {
    return {text(r)};
}

template <>
RunDetails make(Random& r) {
    return {run_info(r), random_scenario(r), finished(r)};
}

template <>
MakeToken make(Random& r) {
    return {flag(r)};
}

template <>
Token make(Random& r) {
    return {text(r)};
}

template <>
ListMachines make(Random&) {
    return {};
}

template <>
Machines make(Random& r) {
    Machines machines;
    for (int i = below(r, 4); i > 0; --i) {
        MachineInfo machine{text(r), texts(r), flag(r), text(r), {}, number32(r), {}, {}};
        if (flag(r)) machine.room = number32(r);
        if (flag(r)) machine.round_trip = duration(r);
        if (flag(r)) machine.clock_error = duration(r);
        machines.machines.push_back(machine);
    }
    return machines;
}

std::optional<MeasuredRate> measured_rate(Random& r) {
    if (flag(r)) return {};
    return MeasuredRate{Bandwidth::bits_per_second(1 + below(r, 1'000'000)), below(r, 1000)};
}

WayQuality way_quality(Random& r) {
    return {.round_trips = {.least = Duration{below(r, 1'000'000)},
                            .median = Duration{below(r, 1'000'000)}},
            .mtu = DataSize::bytes(below(r, 70'000)),
            .there = measured_rate(r),
            .back = measured_rate(r)};
}

template <>
CheckMachines make(Random& r) {
    return {flag(r)};
}

template <>
Ways make(Random& r) {
    Ways ways;
    for (int i = below(r, 4); i > 0; --i) {
        WayInfo way{.from = text(r), .to = text(r), .quality = {}, .measured_at = text(r)};
        if (flag(r)) way.quality = way_quality(r);
        way.rates_measured_at = text(r);
        way.problem = text(r);
        way.note = text(r);
        ways.ways.push_back(way);
    }
    return ways;
}

template <>
CheckPlacement make(Random& r) {
    return {random_scenario(r)};
}

template <>
PlacementChecked make(Random& r) {
    return {texts(r), texts(r), text(r), texts(r), make<Ways>(r)};
}

template <>
MeasureWay make(Random& r) {
    return {text(r), text(r), std::string(32, 'w'), flag(r), flag(r)};
}

template <>
WayMeasured make(Random& r) {
    return {way_quality(r)};
}

template <>
RemoveMachine make(Random& r) {
    return {text(r)};
}

template <>
LabelMachine make(Random& r) {
    return {text(r), texts(r)};
}

template <>
Done make(Random&) {
    return {};
}

template <>
Join make(Random& r) {
    return {text(r), std::string(32, 'k'), text(r)};
}

template <>
Joined make(Random& r) {
    return {text(r)};
}

template <std::size_t I = 0>
ControlMessage make_kind(Random& random, std::size_t kind) {
    if constexpr (I < kControlKinds) {
        if (kind == I) return make<std::variant_alternative_t<I, ControlMessage::variant>>(random);
        return make_kind<I + 1>(random, kind);
    } else {
        throw std::out_of_range{"no such kind of message"};
    }
}

}  // namespace

Scenario random_scenario(Random& random) {
    Scenario s;
    s.name = text(random);
    s.seed = number(random);
    if (flag(random)) s.duration = duration(random);
    s.routing = flag(random) ? Routing::hops : Routing::latency;
    s.topology = random_topology(random);
    for (std::size_t i = 0; i < s.topology.hosts().size(); ++i) {
        s.applications.push_back(application(random, s.topology));
    }
    s.timeline = random_timeline(random, s.topology, below(random, 20), 1 + below(random, 5));
    for (int i = below(random, 5); i > 0; --i) {
        s.timeline.push_back(other_event(random, s.topology));
    }
    s.timeline = canonical(std::move(s.timeline));
    s.expectations = texts(random);
    s.addresses = text(random);
    s.groups[text(random)] = {VertexId{0}};
    s.not_yet = texts(random);
    return s;
}

ControlMessage random_control(Random& random, std::size_t kind) {
    return make_kind(random, kind);
}

StateMessage random_state(Random& random) {
    if (below(random, 10) == 0) return Alive{};
    if (flag(random)) {
        Heartbeat heartbeat{text(random), number(random),  number(random), number(random),
                            {},           number32(random)};
        if (flag(random)) {
            heartbeat.shares = {EpochId{number32(random)}, number(random), number(random)};
        }
        return heartbeat;
    }
    StateUpdate update{
        text(random), number(random), number(random), EpochId{number32(random)}, {}, {}};
    for (int i = below(random, 5); i > 0; --i) {
        update.hosts[HostId{number32(random)}] = {static_cast<HostStatus::State>(below(random, 2)),
                                                  flag(random), number32(random)};
    }
    std::vector<FlowKey> flows(static_cast<std::size_t>(below(random, 40)));
    std::ranges::generate(flows, [&random] { return flow(random); });
    if (flag(random)) flows.push_back({HostId{4'000'000'000}, HostId{4'000'000'001}});
    std::ranges::sort(flows);
    const auto rest = std::ranges::unique(flows);
    flows.erase(rest.begin(), rest.end());
    for (const FlowKey key : flows) update.flows.push_back({key, demand(random)});
    return update;
}

LogRecord random_record(Random& random) {
    switch (below(random, 7)) {
        case 0: {
            EventRecord event{instant(random), instant(random), {}, text(random)};
            if (flag(random)) event.epoch = EpochId{number32(random)};
            if (flag(random)) event.change = number32(random);
            return event;
        }
        case 1:
            return DemandRecord{instant(random), flow(random), demand(random)};
        case 2:
            return ShareRecord{instant(random), flow(random), number(random)};
        case 3:
            return SampleRecord{instant(random), flow(random), number(random), number(random),
                                number(random)};
        case 4:
            return HostRecord{instant(random), HostId{number32(random)}, text(random)};
        case 5:
            return LatenessRecord{instant(random), duration(random), duration(random)};
        default:
            return TotalsRecord{text(random), static_cast<std::int64_t>(number(random))};
    }
}

}  // namespace pleat::testing
