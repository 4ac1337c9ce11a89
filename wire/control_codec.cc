// Control messages in their envelope.
#include <utility>

#include "control.pb.h"
#include "wire/codec.hh"
#include "wire/machine_codec.hh"
#include "wire/parse.hh"
#include "wire/run_codec.hh"
#include "wire/scenario_codec.hh"
#include "wire/table_codec.hh"

namespace pleat {

namespace {

using codec::experiment_time;
using codec::nanoseconds_of;
using Body = proto::ControlEnvelope;

std::int64_t nanoseconds_of_instant(Instant at) {
    return at.time_since_epoch().count();
}

Instant instant(std::int64_t nanoseconds) {
    return Instant{Duration{nanoseconds}};
}

void put(const Submit& m, Body& out) {
    codec::put(m, *out.mutable_submit());
}

void put(const StartRun& m, Body& out) {
    out.mutable_start_run()->set_run(m.run);
}

void put(const StopRun& m, Body& out) {
    out.mutable_stop_run()->set_run(m.run);
    out.mutable_stop_run()->set_reason(m.reason);
}

void put(const Shutdown&, Body& out) {
    out.mutable_shutdown();
}

void put(const Submitted& m, Body& out) {
    proto::Submitted& submitted = *out.mutable_submitted();
    submitted.set_run(m.run);
    submitted.set_hosts(m.hosts);
    submitted.set_bridges(m.bridges);
    submitted.set_links(m.links);
    submitted.set_epochs(m.epochs);
    submitted.set_paths(m.paths);
    submitted.set_took_ns(m.took.count());
    for (const std::string& note : m.notes) submitted.add_notes(note);
}

void put(const Refused& m, Body& out) {
    out.mutable_refused()->set_message(m.message);
    out.mutable_refused()->set_exit_code(m.exit_code);
}

void put(const Stage& m, Body& out) {
    out.mutable_stage()->set_name(m.name);
    out.mutable_stage()->set_text(m.text);
}

void put(const Progress& m, Body& out) {
    proto::Progress& progress = *out.mutable_progress();
    progress.set_at_ns(nanoseconds_of(m.at));
    progress.set_epoch(m.epoch.value);
    progress.set_throughput_bits_per_second(m.throughput_bps);
    progress.set_hosts_ready(m.hosts_ready);
    progress.set_hosts_running(m.hosts_running);
}

void put(const RunFinished& m, Body& out) {
    codec::put(m, *out.mutable_run_finished());
}

void put(const Hello& m, Body& out) {
    out.mutable_hello()->set_node(m.node);
    out.mutable_hello()->set_version(m.version);
    out.mutable_hello()->set_incarnation_ns(m.incarnation);
    codec::put(m.address, *out.mutable_hello()->mutable_address());
    if (m.room) out.mutable_hello()->set_room_hosts(*m.room);
    for (const HeldRun& held : m.runs) {
        proto::HeldRun& run = *out.mutable_hello()->add_runs();
        run.set_run(held.run);
        run.set_stage(static_cast<proto::HeldRun::Stage>(held.stage));
        run.set_at_ns(nanoseconds_of(held.at));
        run.set_changes(held.changes);
    }
    out.mutable_hello()->set_processors(m.processors);
}

void put(const PrepareRun& m, Body& out) {
    codec::put(m, *out.mutable_prepare_run());
}

void put(const PrepareEpoch& m, Body& out) {
    codec::put(m.delta, *out.mutable_prepare_epoch()->mutable_delta());
    if (m.based_on) out.mutable_prepare_epoch()->set_based_on(*m.based_on);
}

void put(const Prepared& m, Body& out) {
    out.mutable_prepared()->set_version(m.version);
    out.mutable_prepared()->set_epoch(m.epoch.value);
    out.mutable_prepared()->set_hash(m.hash);
}

void put(const HostsReady& m, Body& out) {
    out.mutable_hosts_ready()->set_hosts(m.hosts);
    out.mutable_hosts_ready()->set_data_plane(m.data_plane);
}

void put(const OpenWay&, Body& out) {
    out.mutable_open_way();
}

void put(const WayOpened& m, Body& out) {
    out.mutable_way_opened()->set_endpoint(m.endpoint);
    codec::put(m.vxlan, *out.mutable_way_opened()->mutable_vxlan());
}

void put(const OutputChunk& m, Body& out) {
    out.mutable_output_chunk()->set_host(m.host.value);
    out.mutable_output_chunk()->set_offset_bytes(m.offset);
    out.mutable_output_chunk()->set_content(m.bytes);
}

void put(const ReadOutput& m, Body& out) {
    out.mutable_read_output()->set_run(m.run);
    out.mutable_read_output()->set_host(m.host);
    out.mutable_read_output()->set_offset_bytes(m.offset);
    out.mutable_read_output()->set_ticket(m.ticket);
}

void put(const OutputPiece& m, Body& out) {
    proto::OutputPiece& piece = *out.mutable_output_piece();
    piece.set_ticket(m.ticket);
    piece.set_offset_bytes(m.offset);
    piece.set_content(m.bytes);
    piece.set_size_bytes(m.size);
    piece.set_over(m.over);
}

void put(const RunOnHost& m, Body& out) {
    proto::Execute& execute = *out.mutable_execute();
    execute.set_run(m.run);
    execute.set_host(m.host);
    for (const std::string& argument : m.arguments) execute.add_arguments(argument);
    execute.set_ticket(m.ticket);
}

void put(const RanOnHost& m, Body& out) {
    out.mutable_executed()->set_ticket(m.ticket);
    if (m.exit_code) out.mutable_executed()->set_exit_code(*m.exit_code);
    out.mutable_executed()->set_output(m.output);
}

void put(const ClockPing& m, Body& out) {
    out.mutable_clock_ping()->set_sequence(m.sequence);
    out.mutable_clock_ping()->set_sent_ns(nanoseconds_of_instant(m.sent));
}

void put(const ClockPong& m, Body& out) {
    out.mutable_clock_pong()->set_sequence(m.sequence);
    out.mutable_clock_pong()->set_ping_sent_ns(nanoseconds_of_instant(m.ping_sent));
    out.mutable_clock_pong()->set_at_ns(nanoseconds_of_instant(m.at));
}

void put(const Begin& m, Body& out) {
    out.mutable_begin()->set_t0_ns(nanoseconds_of_instant(m.t0));
}

void put(const BeginAccepted& m, Body& out) {
    out.mutable_begin_accepted()->set_t0_ns(nanoseconds_of_instant(m.t0));
}

void put(const BeginRefused& m, Body& out) {
    out.mutable_begin_refused()->set_t0_ns(nanoseconds_of_instant(m.t0));
    out.mutable_begin_refused()->set_reason(m.reason);
}

void put(const ConfirmBegin& m, Body& out) {
    out.mutable_confirm_begin()->set_t0_ns(nanoseconds_of_instant(m.t0));
}

void put(const ChangeRun& m, Body& out) {
    out.mutable_change_run()->set_run(m.run);
    for (const std::string& line : m.lines) out.mutable_change_run()->add_lines(line);
}

void put(const RunChanged& m, Body& out) {
    codec::put(m.change, *out.mutable_run_changed()->mutable_change());
}

void put(const AnnounceChange& m, Body& out) {
    proto::AnnounceChange& change = *out.mutable_announce_change();
    change.set_number(m.number);
    if (m.version) change.set_version(*m.version);
    change.set_at_ns(nanoseconds_of(m.at));
    for (const TimedEvent& action : m.actions) codec::put(action, *change.add_actions());
    change.set_text(m.text);
}

void put(const ChangeDone& m, Body& out) {
    out.mutable_change_done()->set_number(m.number);
    out.mutable_change_done()->set_late_ns(m.late.count());
}

void put(const ChangeMissed& m, Body& out) {
    out.mutable_change_missed()->set_changes(m.changes);
}

void put(const EndRun& m, Body& out) {
    out.mutable_end_run()->set_reason(m.reason);
    out.mutable_end_run()->set_interrupted(m.interrupted);
}

void put(const RunEnded& m, Body& out) {
    codec::put(m, *out.mutable_run_ended());
}

void put(const LogChunk& m, Body& out) {
    out.mutable_log_chunk()->set_offset_bytes(m.offset);
    out.mutable_log_chunk()->set_content(m.bytes);
}

void put(const LogEnd& m, Body& out) {
    out.mutable_log_end()->set_size_bytes(m.size);
}

void put(const NodeFailed& m, Body& out) {
    out.mutable_node_failed()->set_message(m.message);
    out.mutable_node_failed()->set_exit_code(m.exit_code);
}

void put(const Watch& m, Body& out) {
    out.mutable_watch()->set_run(m.run);
    out.mutable_watch()->set_own(m.own);
}

void put(const Collect& m, Body& out) {
    out.mutable_collect()->set_offset_bytes(m.offset);
}

void put(const Forget&, Body& out) {
    out.mutable_forget();
}

void put(const ListRuns&, Body& out) {
    out.mutable_list_runs();
}

void put(const Runs& m, Body& out) {
    proto::Runs& runs = *out.mutable_runs();
    for (const RunInfo& run : m.runs) codec::put(run, *runs.add_runs());
}

void put(const Inspect& m, Body& out) {
    out.mutable_inspect()->set_run(m.run);
}

void put(const RunDetails& m, Body& out) {
    codec::put(m, *out.mutable_run_details());
}

void put(const MakeToken& m, Body& out) {
    out.mutable_make_token()->set_for_operator(m.for_operator);
}

void put(const Token& m, Body& out) {
    out.mutable_token()->set_text(m.text);
}

void put(const ListMachines&, Body& out) {
    out.mutable_list_machines();
}

void put(const Machines& m, Body& out) {
    codec::put(m, *out.mutable_machines());
}

void put(const RemoveMachine& m, Body& out) {
    out.mutable_remove_machine()->set_name(m.name);
}

void put(const LabelMachine& m, Body& out) {
    out.mutable_label_machine()->set_name(m.name);
    for (const std::string& label : m.labels) out.mutable_label_machine()->add_labels(label);
}

void put(const Done&, Body& out) {
    out.mutable_done();
}

void put(const Join& m, Body& out) {
    out.mutable_join()->set_name(m.name);
    out.mutable_join()->set_key(m.key);
    out.mutable_join()->set_version(m.version);
}

void put(const Joined& m, Body& out) {
    out.mutable_joined()->set_name(m.name);
}

void put(const CheckMachines& m, Body& out) {
    out.mutable_check_machines()->set_despite_runs(m.despite_runs);
}

void put(const Ways& m, Body& out) {
    codec::put(m, *out.mutable_ways());
}

void put(const CheckPlacement& m, Body& out) {
    codec::put(m.scenario, *out.mutable_check_placement()->mutable_scenario());
}

void put(const PlacementChecked& m, Body& out) {
    proto::PlacementChecked& checked = *out.mutable_placement_checked();
    for (const std::string& machine : m.machines) checked.add_machines(machine);
    for (const std::string& problem : m.problems) checked.add_problems(problem);
    for (const std::string& note : m.notes) checked.add_notes(note);
    checked.set_refusal(m.refusal);
    codec::put(m.ways, *checked.mutable_ways());
}

void put(const MeasureWay& m, Body& out) {
    proto::MeasureWay& measure = *out.mutable_measure_way();
    measure.set_peer(m.peer);
    measure.set_way(m.way);
    measure.set_way_key(m.way_key);
    measure.set_leads(m.leads);
    measure.set_rates(m.rates);
}

void put(const WayMeasured& m, Body& out) {
    codec::put(m.quality, *out.mutable_way_measured()->mutable_quality());
}

Hello hello(const Body& in, codec::Refusal& refusal) {
    Hello result{.node = in.hello().node(),
                 .version = in.hello().version(),
                 .incarnation = in.hello().incarnation_ns(),
                 .address = codec::node_address(in.hello().address(), refusal),
                 .protocol = in.version(),
                 .room = {},
                 .runs = {},
                 .processors = in.hello().processors()};
    if (in.hello().has_room_hosts()) result.room = in.hello().room_hosts();
    for (const proto::HeldRun& run : in.hello().runs()) {
        refusal.require(run.stage() <= proto::HeldRun::ENDED, "a run is at an unknown stage");
        result.runs.push_back({.run = run.run(),
                               .stage = static_cast<HeldRun::Stage>(run.stage()),
                               .at = experiment_time(run.at_ns()),
                               .changes = run.changes()});
    }
    return result;
}

PrepareEpoch prepare_epoch(const proto::PrepareEpoch& in, codec::Refusal& refusal) {
    PrepareEpoch result{.delta = codec::path_table_delta(in.delta(), refusal)};
    if (in.has_based_on()) result.based_on = in.based_on();
    return result;
}

AnnounceChange announce_change(const proto::AnnounceChange& in, codec::Refusal& refusal) {
    AnnounceChange result{.number = in.number(),
                          .version = {},
                          .at = experiment_time(in.at_ns()),
                          .actions = {},
                          .text = in.text()};
    if (in.has_version()) result.version = in.version();
    for (const proto::TimedEvent& each : in.actions()) {
        result.actions.push_back(codec::timed_event_of_any_topology(each, refusal));
    }
    return result;
}

Submitted submitted(const proto::Submitted& in) {
    return {.run = in.run(),
            .hosts = in.hosts(),
            .bridges = in.bridges(),
            .links = in.links(),
            .epochs = in.epochs(),
            .paths = in.paths(),
            .took = Duration{in.took_ns()},
            .notes = {in.notes().begin(), in.notes().end()}};
}

Progress progress(const proto::Progress& in) {
    return {.at = experiment_time(in.at_ns()),
            .epoch = EpochId{in.epoch()},
            .throughput_bps = in.throughput_bits_per_second(),
            .hosts_ready = in.hosts_ready(),
            .hosts_running = in.hosts_running()};
}

// One of the variant's alternatives; Shutdown never comes out of what is refused, for
// the caller looks at `refusal`.
ControlMessage message_of(const Body& in, codec::Refusal& refusal) {
    switch (in.body_case()) {
        case Body::kSubmit:
            return codec::submit(in.submit(), refusal);
        case Body::kStartRun:
            return StartRun{.run = in.start_run().run()};
        case Body::kStopRun:
            return StopRun{.run = in.stop_run().run(), .reason = in.stop_run().reason()};
        case Body::kShutdown:
            return Shutdown{};
        case Body::kSubmitted:
            return submitted(in.submitted());
        case Body::kRefused:
            return Refused{
                .message = in.refused().message(),
                .exit_code = in.refused().exit_code() == 0 ? 1 : in.refused().exit_code()};
        case Body::kStage:
            return Stage{.name = in.stage().name(), .text = in.stage().text()};
        case Body::kProgress:
            return progress(in.progress());
        case Body::kRunFinished:
            return codec::run_finished(in.run_finished(), refusal);
        case Body::kHello:
            return hello(in, refusal);
        case Body::kPrepareRun: {
            std::optional<PrepareRun> prepare = codec::prepare_run(in.prepare_run(), refusal);
            if (!prepare) return Shutdown{};
            return *std::move(prepare);
        }
        case Body::kPrepareEpoch:
            return prepare_epoch(in.prepare_epoch(), refusal);
        case Body::kPrepared:
            return Prepared{.version = in.prepared().version(),
                            .epoch = EpochId{in.prepared().epoch()},
                            .hash = in.prepared().hash()};
        case Body::kHostsReady:
            return HostsReady{.hosts = in.hosts_ready().hosts(),
                              .data_plane = in.hosts_ready().data_plane()};
        case Body::kClockPing:
            return ClockPing{.sequence = in.clock_ping().sequence(),
                             .sent = instant(in.clock_ping().sent_ns())};
        case Body::kClockPong:
            return ClockPong{.sequence = in.clock_pong().sequence(),
                             .ping_sent = instant(in.clock_pong().ping_sent_ns()),
                             .at = instant(in.clock_pong().at_ns())};
        case Body::kBegin:
            return Begin{.t0 = instant(in.begin().t0_ns())};
        case Body::kBeginAccepted:
            return BeginAccepted{.t0 = instant(in.begin_accepted().t0_ns())};
        case Body::kBeginRefused:
            return BeginRefused{.t0 = instant(in.begin_refused().t0_ns()),
                                .reason = in.begin_refused().reason()};
        case Body::kConfirmBegin:
            return ConfirmBegin{.t0 = instant(in.confirm_begin().t0_ns())};
        case Body::kEndRun:
            return EndRun{.reason = in.end_run().reason(),
                          .interrupted = in.end_run().interrupted()};
        case Body::kRunEnded:
            return codec::run_ended(in.run_ended());
        case Body::kLogChunk:
            return LogChunk{.offset = in.log_chunk().offset_bytes(),
                            .bytes = in.log_chunk().content()};
        case Body::kLogEnd:
            return LogEnd{.size = in.log_end().size_bytes()};
        case Body::kNodeFailed:
            return NodeFailed{.message = in.node_failed().message(),
                              .exit_code = in.node_failed().exit_code()};
        case Body::kWatch:
            return Watch{.run = in.watch().run(), .own = in.watch().own()};
        case Body::kListRuns:
            return ListRuns{};
        case Body::kRuns: {
            Runs result;
            for (const proto::RunInfo& run : in.runs().runs()) {
                result.runs.push_back(codec::run_info(run));
            }
            return result;
        }
        case Body::kInspect:
            return Inspect{.run = in.inspect().run()};
        case Body::kRunDetails:
            return codec::run_details(in.run_details(), refusal);
        case Body::kMakeToken:
            return MakeToken{.for_operator = in.make_token().for_operator()};
        case Body::kToken:
            return Token{.text = in.token().text()};
        case Body::kListMachines:
            return ListMachines{};
        case Body::kMachines:
            return codec::machines(in.machines());
        case Body::kRemoveMachine:
            return RemoveMachine{.name = in.remove_machine().name()};
        case Body::kLabelMachine:
            return LabelMachine{
                .name = in.label_machine().name(),
                .labels = {in.label_machine().labels().begin(), in.label_machine().labels().end()}};
        case Body::kDone:
            return Done{};
        case Body::kJoin:
            refusal.require(in.join().key().size() == codec::kKeySize, codec::kBadKey);
            return Join{.name = in.join().name(),
                        .key = in.join().key(),
                        .version = in.join().version(),
                        .protocol = in.version()};
        case Body::kJoined:
            return Joined{.name = in.joined().name()};
        case Body::kCollect:
            return Collect{.offset = in.collect().offset_bytes()};
        case Body::kForget:
            return Forget{};
        case Body::kOpenWay:
            return OpenWay{};
        case Body::kWayOpened:
            return WayOpened{.endpoint = in.way_opened().endpoint(),
                             .vxlan = codec::vxlan_end(in.way_opened().vxlan(), refusal)};
        case Body::kOutputChunk:
            return OutputChunk{.host = HostId{in.output_chunk().host()},
                               .offset = in.output_chunk().offset_bytes(),
                               .bytes = in.output_chunk().content()};
        case Body::kReadOutput:
            return ReadOutput{.run = in.read_output().run(),
                              .host = in.read_output().host(),
                              .offset = in.read_output().offset_bytes(),
                              .ticket = in.read_output().ticket()};
        case Body::kOutputPiece:
            return OutputPiece{.ticket = in.output_piece().ticket(),
                               .offset = in.output_piece().offset_bytes(),
                               .bytes = in.output_piece().content(),
                               .size = in.output_piece().size_bytes(),
                               .over = in.output_piece().over()};
        case Body::kExecute:
            return RunOnHost{
                .run = in.execute().run(),
                .host = in.execute().host(),
                .arguments = {in.execute().arguments().begin(), in.execute().arguments().end()},
                .ticket = in.execute().ticket()};
        case Body::kExecuted:
            return RanOnHost{.ticket = in.executed().ticket(),
                             .exit_code = in.executed().has_exit_code()
                                              ? std::optional{in.executed().exit_code()}
                                              : std::nullopt,
                             .output = in.executed().output()};
        case Body::kChangeRun:
            return ChangeRun{
                .run = in.change_run().run(),
                .lines = {in.change_run().lines().begin(), in.change_run().lines().end()}};
        case Body::kRunChanged:
            return RunChanged{codec::change_result(in.run_changed().change())};
        case Body::kAnnounceChange:
            return announce_change(in.announce_change(), refusal);
        case Body::kChangeDone:
            return ChangeDone{.number = in.change_done().number(),
                              .late = Duration{in.change_done().late_ns()}};
        case Body::kChangeMissed:
            return ChangeMissed{.changes = in.change_missed().changes()};
        case Body::kCheckMachines:
            return CheckMachines{.despite_runs = in.check_machines().despite_runs()};
        case Body::kWays:
            return codec::ways(in.ways(), refusal);
        case Body::kCheckPlacement:
            return CheckPlacement{.scenario =
                                      codec::scenario(in.check_placement().scenario(), refusal)};
        case Body::kPlacementChecked: {
            const proto::PlacementChecked& checked = in.placement_checked();
            return PlacementChecked{
                .machines = {checked.machines().begin(), checked.machines().end()},
                .problems = {checked.problems().begin(), checked.problems().end()},
                .refusal = checked.refusal(),
                .notes = {checked.notes().begin(), checked.notes().end()},
                .ways = codec::ways(checked.ways(), refusal)};
        }
        case Body::kMeasureWay:
            refusal.require(in.measure_way().way_key().size() == codec::kKeySize, codec::kBadKey);
            return MeasureWay{.peer = in.measure_way().peer(),
                              .way = in.measure_way().way(),
                              .way_key = in.measure_way().way_key(),
                              .leads = in.measure_way().leads(),
                              .rates = in.measure_way().rates()};
        case Body::kWayMeasured:
            return WayMeasured{.quality = codec::way_quality(in.way_measured().quality(), refusal)};
        case Body::BODY_NOT_SET:
            break;
    }
    refusal.require(false, "it is of unknown kind");
    return Shutdown{};
}

}  // namespace

std::string encode(const ControlMessage& message, const Envelope& envelope) {
    Body out;
    out.set_version(envelope.version);
    out.set_run(envelope.run);
    out.set_sender(envelope.sender);
    out.set_sequence(envelope.sequence);
    std::visit([&out](const auto& each) { put(each, out); }, message);
    return out.SerializeAsString();
}

Result<ControlMessage> decode_control(std::string_view bytes, Envelope* envelope) {
    codec::Refusal refusal;
    Body in;
    codec::parse(bytes, kMaxControlBytes, in, refusal);
    refusal.require(
        in.version() == kProtocolVersion || in.has_hello() || in.has_join() || in.has_refused(),
        "it is of another version of pleat");
    if (refusal.any()) return fail("bad control message: " + refusal.message());
    ControlMessage result = message_of(in, refusal);
    if (refusal.any()) return fail("bad control message: " + refusal.message());
    if (envelope != nullptr) {
        *envelope = {.run = in.run(),
                     .sender = in.sender(),
                     .sequence = in.sequence(),
                     .version = in.version()};
    }
    return result;
}

}  // namespace pleat
