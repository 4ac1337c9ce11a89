// What command line, controller and nodes say to each other, as values. wire/codec.hh turns them
// into bytes. What nodes say among themselves is in wire/state_messages.hh, the records of the log
// that a node sends at the end in wire/log_records.hh.
//
//   pleat  -- request -->  pleat-controller   (DEALER -> ROUTER, ipc or tcp)
//   pleat-node -- hello, acks, reports -->  pleat-controller   (DEALER -> ROUTER, the same socket)
//   pleat-node -- states -->  pleat-node     (PUB -> SUB; snapshots by DEALER -> ROUTER)
//
// Life of a run (controller/run_session and node/daemon follow it line by line):
//   cli  -> ctl   Submit{scenario, options}      ctl -> cli   Submitted | Refused
//   node -> ctl   Hello                          (before or after Submit)
//   cli  -> ctl   StartRun
//   ctl  -> node  OpenWay                        node -> ctl   WayOpened   (on several machines)
//   ctl  -> node  PrepareRun{scenario, base table, options}, then PrepareEpoch{delta} each
//   node -> ctl   Prepared{version, epoch, hash} each; HostsReady when the ready hosts are
//   ctl <-> node  ClockPing / ClockPong, several
//   ctl  -> node  Begin{T0}                      node -> ctl   BeginAccepted | BeginRefused
//   ctl  -> node  ConfirmBegin{T0}               (when every node of the run has accepted)
//   node -> ctl   Progress, once a second        ctl -> cli    the same, and every stage above
//   node -> ctl   RunEnded{hosts, reason}, LogChunk…, OutputChunk…, LogEnd
//   ctl  -> cli   RunFinished{results}
//   cli  -> ctl   ChangeRun (by hand)            (controller/hand_changes)
//   ctl  -> node  PrepareEpoch{delta} of a new version     node -> ctl   Prepared
//   ctl  -> node  AnnounceChange{instant}        node -> ctl   ChangeDone | ChangeMissed
//   ctl  -> cli   RunChanged
//   cli  -> ctl   StopRun (Ctrl-C)               ctl -> node   EndRun
//   ctl  -> node  Forget                         (all of the run's part is here)
//   cli  -> ctl   Shutdown                       ctl -> node   Shutdown
//
// After a connection was lost, or the controller or a node was started anew:
//   node -> ctl   Hello{…, the runs that it has}
//   ctl  -> node  Collect{offset} of a run that has ended: RunEnded and the log come (again)
//   cli  -> ctl   Watch{run}
//
// The network between two machines is measured, as asked for by CheckMachines{}:
//   ctl  -> nodes OpenWay                        node -> ctl   WayOpened
//   ctl  -> nodes MeasureWay{the other's end, a key, who leads}
//   node -> ctl   WayMeasured | NodeFailed       (then a pair more, or Ways to the cli)
//
// A node, or an operator, joins a controller once, over a connection whose key is a token:
//   new  -> ctl   Join{name, its own key}        ctl -> new   Joined | Refused
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "base/clock.hh"
#include "model/demand.hh"
#include "model/host_status.hh"
#include "model/path_table.hh"
#include "model/scenario.hh"
#include "model/way_quality.hh"

namespace pleat {

// Messages of another version of the protocol are refused; Hello and Refused are read
// whatever their version, so that both sides can say why.
inline constexpr std::uint32_t kProtocolVersion = 1;

struct RunOptions {
    std::string run;                                            // "r-7f3a"
    std::string run_directory;                                  // absolute
    std::string runtime_directory;                              // absolute: sockets, ledger
    std::string data_plane;                                     // "tun"; empty: chosen
    Duration sample_interval = std::chrono::milliseconds{100};  // zero is "none": no samples
    bool samples = true;
    bool no_applications = false;
    Duration ready_deadline = std::chrono::seconds{30};
    bool compare_shares = false;  // nodes tell each other what they computed
    bool encrypt = false;         // what hosts send between machines; it is authenticated anyway
    // Of machines that are hosts: what others have put on the interface is replaced, and put back
    // at the end; else it is refused.
    bool takeover = false;

    friend bool operator==(const RunOptions&, const RunOptions&) = default;
};

// ---- cli -> controller
struct Submit {
    Scenario scenario;
    std::string source_text;  // the resolved topology file, for the store
    RunOptions options;
    // The run does not end with the connection that submitted it.
    bool detached = false;
    // Goes on although the network between the machines can't carry it.
    bool ignore_network = false;

    friend bool operator==(const Submit&, const Submit&) = default;
};

struct StartRun {
    std::string run;

    friend bool operator==(const StartRun&, const StartRun&) = default;
};

struct StopRun {
    std::string run;
    std::string reason;  // "interrupted"

    friend bool operator==(const StopRun&, const StopRun&) = default;
};

// Tells the stages and the progress of a run, and its RunFinished; of one that is over
// only that.
struct Watch {
    std::string run;
    bool own = false;  // the run ends with this connection, as with the one that submitted it

    friend bool operator==(const Watch&, const Watch&) = default;
};

struct ListRuns {
    friend bool operator==(const ListRuns&, const ListRuns&) = default;
};

struct Inspect {
    std::string run;

    friend bool operator==(const Inspect&, const Inspect&) = default;
};

// What a host has written so far, from `offset` on; from the cli, and on to the host's node.
struct ReadOutput {
    std::string run;
    std::string host;
    std::uint64_t offset = 0;
    std::uint32_t ticket = 0;  // the answer has it, too

    friend bool operator==(const ReadOutput&, const ReadOutput&) = default;
};

struct OutputPiece {
    std::uint32_t ticket = 0;
    std::uint64_t offset = 0;
    std::string bytes;
    std::uint64_t size = 0;  // of all that there is now
    bool over = false;       // the run is over: nothing more will come

    friend bool operator==(const OutputPiece&, const OutputPiece&) = default;
};

// Runs a command on a host; from the cli, and on to the host's node.
struct RunOnHost {
    std::string run;
    std::string host;
    std::vector<std::string> arguments;
    std::uint32_t ticket = 0;  // the answer has it, too

    friend bool operator==(const RunOnHost&, const RunOnHost&) = default;
};

// Several for one command: what it has written since the one before, to standard output and
// error, in pieces of at most 1 MB; the last one says how it ended.
struct RanOnHost {
    std::uint32_t ticket = 0;
    // 128 + n when signal n ended it; 127: it could not be started. Nothing: it goes on.
    std::optional<int> exit_code;
    std::string output;

    friend bool operator==(const RanOnHost&, const RanOnHost&) = default;
};

// Changes a run under way: event lines as in a file, without a time, all at one instant.
struct ChangeRun {
    std::string run;
    std::vector<std::string> lines;  // "set s1--s2 90Mbps"

    friend bool operator==(const ChangeRun&, const ChangeRun&) = default;
};

struct MakeToken {
    bool for_operator = false;  // else for a machine

    friend bool operator==(const MakeToken&, const MakeToken&) = default;
};

struct ListMachines {
    friend bool operator==(const ListMachines&, const ListMachines&) = default;
};

struct RemoveMachine {
    std::string name;

    friend bool operator==(const RemoveMachine&, const RemoveMachine&) = default;
};

struct LabelMachine {  // in place of the labels that it had
    std::string name;
    std::vector<std::string> labels;

    friend bool operator==(const LabelMachine&, const LabelMachine&) = default;
};

// Measures the network between all machines, a pair at a time: Stages say how far that is, Ways
// what came of it. Rates only where neither machine has hosts of runs under way.
struct CheckMachines {
    bool despite_runs = false;  // rates there, too

    friend bool operator==(const CheckMachines&, const CheckMachines&) = default;
};

// Where would hosts be placed now, and can the network between the machines carry that?
struct CheckPlacement {
    Scenario scenario;

    friend bool operator==(const CheckPlacement&, const CheckPlacement&) = default;
};

struct Shutdown {
    friend bool operator==(const Shutdown&, const Shutdown&) = default;
};

// ---- controller -> cli
struct Submitted {
    std::string run;
    std::uint32_t hosts = 0;
    std::uint32_t bridges = 0;
    std::uint32_t links = 0;
    std::uint32_t epochs = 0;
    std::uint64_t paths = 0;
    Duration took{};
    std::vector<std::string> notes{};  // what could not be checked, and why

    friend bool operator==(const Submitted&, const Submitted&) = default;
};

struct Refused {
    std::string message;
    int exit_code = 1;  // what pleat should exit with; see cli/exit_code.hh

    friend bool operator==(const Refused&, const Refused&) = default;
};

struct RunInfo {
    std::string run;
    std::string name;  // of the topology
    std::string state;
    std::string problem;
    std::string directory;     // on the controller's machine
    std::string submitted_at;  // UTC, ISO 8601
    std::vector<std::string> machines;

    friend bool operator==(const RunInfo&, const RunInfo&) = default;
};

struct Runs {
    std::vector<RunInfo> runs;  // oldest first

    friend bool operator==(const Runs&, const Runs&) = default;
};

struct MachineInfo {
    std::string name;
    std::vector<std::string> labels;
    bool connected = false;
    std::string version;                  // of pleat there; empty: never connected
    std::optional<std::uint32_t> room;    // hosts that it takes; nothing: no limit
    std::uint32_t hosts = 0;              // that runs have spoken for
    std::optional<Duration> round_trip;   // the smallest of the last minute
    std::optional<Duration> clock_error;  // its clock is known within this much

    friend bool operator==(const MachineInfo&, const MachineInfo&) = default;
};

struct Machines {
    std::vector<MachineInfo> machines;  // by name

    friend bool operator==(const Machines&, const Machines&) = default;
};

// The network between two machines, as it was last measured.
struct WayInfo {
    std::string from;  // before `to`, by name
    std::string to;
    std::optional<WayQuality> quality{};
    std::string measured_at{};        // UTC, ISO 8601
    std::string rates_measured_at{};  // earlier when only the rest was measured since
    std::string problem{};            // why it could not be measured now; mostly empty
    std::string note{};               // why rates were not; mostly empty

    friend bool operator==(const WayInfo&, const WayInfo&) = default;
};

struct Ways {
    std::vector<WayInfo> ways;  // by names

    friend bool operator==(const Ways&, const Ways&) = default;
};

struct PlacementChecked {
    std::vector<std::string> machines;  // by HostId
    std::vector<std::string> problems;  // what the network can't do, with the numbers
    std::string refusal;                // what Submit would be refused with; mostly empty
    std::vector<std::string> notes;     // what could not be checked, and why
    Ways ways{};                        // between these machines, as measured

    friend bool operator==(const PlacementChecked&, const PlacementChecked&) = default;
};

struct Token {
    std::string text;  // what --join takes

    friend bool operator==(const Token&, const Token&) = default;
};

struct Done {
    friend bool operator==(const Done&, const Done&) = default;
};

struct Stage {         // a step of the way has been reached, for the progress display
    std::string name;  // "hosts", "begin", "collect"; "machine": a warning about one
    std::string text;  // "6/6 ready (data plane: tun)"

    friend bool operator==(const Stage&, const Stage&) = default;
};

// ---- node -> controller -> cli
struct Progress {
    ExperimentTime at{};
    EpochId epoch;
    std::uint64_t throughput_bps = 0;
    std::uint32_t hosts_ready = 0;
    std::uint32_t hosts_running = 0;

    friend bool operator==(const Progress&, const Progress&) = default;
};

struct HostResult {
    HostId host;
    std::string address;
    bool started = false;
    ExperimentTime started_at{};   // negative before T0
    std::optional<int> exit_code;  // 128 + n when a signal ended it
    // Ended by an event or by the end of the run: never fails it.
    bool ended_by_us = false;
    std::string log;      // relative to the run directory
    std::string problem;  // "cannot execute 'iperf4': no such file"; mostly empty

    friend bool operator==(const HostResult&, const HostResult&) = default;
};

struct EpochResult {
    EpochId epoch;
    ExperimentTime planned{};
    Duration late{};
    std::vector<std::string> events;

    friend bool operator==(const EpochResult&, const EpochResult&) = default;
};

struct FlowSeries {
    FlowKey flow;
    std::vector<ExperimentTime> at;
    std::vector<std::uint64_t> allowed_bps;
    std::vector<std::uint64_t> measured_bps;

    friend bool operator==(const FlowSeries&, const FlowSeries&) = default;
};

struct ControlTraffic {
    std::uint64_t messages_sent = 0;  // state publications and heartbeats, once each
    std::uint64_t bytes_sent = 0;     // bodies + topics

    friend bool operator==(const ControlTraffic&, const ControlTraffic&) = default;
};

// The exit code of a run that has lost a machine; see cli/exit_code.hh.
inline constexpr int kExitMachineLost = 10;

struct MachineResult {  // one machine's part in a run
    std::string name;
    std::string data_plane;
    ControlTraffic control;
    Duration clock_error{};  // its time was known within this much, from T0 to the end

    friend bool operator==(const MachineResult&, const MachineResult&) = default;
};

// A change by hand, and when it took effect.
struct ChangeResult {
    std::uint32_t number = 0;              // of the run's changes, from 1
    std::optional<std::uint32_t> version;  // of the path tables that it made
    EpochId epoch;                         // in which it took effect
    ExperimentTime at{};
    Duration late{};                   // of the machine that was latest
    std::vector<std::string> lines;    // as they were given
    std::vector<std::string> missing;  // machines that have not carried it out

    friend bool operator==(const ChangeResult&, const ChangeResult&) = default;
};

struct RunFinished {
    std::string run;
    bool failed = false;  // a main host failed, or the run could not go on
    bool interrupted = false;
    std::vector<std::string> problems;
    std::string data_plane;
    std::vector<HostResult> hosts;
    std::vector<EpochResult> epochs;
    std::vector<FlowSeries> flows;
    ControlTraffic control;               // of all machines
    std::vector<MachineResult> machines;  // by name
    int exit_code = 0;  // what `pleat run` should exit with; 0: it follows from the fields above
    std::vector<ChangeResult> changes = {};  // by number

    friend bool operator==(const RunFinished&, const RunFinished&) = default;
};

// The answer to ChangeRun: it has taken effect.
struct RunChanged {
    ChangeResult change;

    friend bool operator==(const RunChanged&, const RunChanged&) = default;
};

// The answer to Inspect.
struct RunDetails {
    RunInfo info;
    Scenario scenario;
    RunFinished results;  // of a run under way: as far as it is known

    friend bool operator==(const RunDetails&, const RunDetails&) = default;
};

// ---- joining: over a connection whose key is a token
struct Join {
    std::string name;     // empty: an operator
    std::string key;      // public; what the joiner connects with from now on
    std::string version;  // of pleat
    std::uint32_t protocol = kProtocolVersion;

    friend bool operator==(const Join&, const Join&) = default;
};

struct Joined {
    std::string name;

    friend bool operator==(const Joined&, const Joined&) = default;
};

// ---- controller <-> node
struct NodeAddress {        // how other nodes reach one
    std::string states;     // endpoint of its publications
    std::string snapshots;  // endpoint that answers with its whole state
    std::string key;        // its public key, 32 bytes; empty on ipc://

    friend bool operator==(const NodeAddress&, const NodeAddress&) = default;
};

// A run that a node has, and how far it is there.
struct HeldRun {
    enum class Stage : std::uint8_t { before_t0, under_way, ended };

    std::string run;
    Stage stage = Stage::before_t0;
    ExperimentTime at{};        // of one under way
    std::uint32_t changes = 0;  // made by hand, that have been announced to it

    friend bool operator==(const HeldRun&, const HeldRun&) = default;
};

struct Hello {
    std::string node;               // "local"
    std::string version;            // of pleat
    std::uint64_t incarnation = 0;  // start time in ns
    NodeAddress address;
    std::uint32_t protocol = kProtocolVersion;
    std::optional<std::uint32_t> room = {};  // hosts that it takes; nothing: no limit
    std::vector<HeldRun> runs = {};
    std::uint32_t processors = 0;  // that it may use; 0: not told

    friend bool operator==(const Hello&, const Hello&) = default;
};

// Where a machine receives what kernel planes of others send to its hosts, by VXLAN.
struct VxlanEnd {
    std::uint32_t port = 0;     // UDP, at the address of its end of the tunnel; 0: it has none
    std::uint32_t network = 0;  // VNI

    friend bool operator==(const VxlanEnd&, const VxlanEnd&) = default;
};

struct Peer {  // another node of a run
    std::string name;
    NodeAddress address;
    std::vector<HostId> hosts;  // placed there
    std::string way = {};       // ADDRESS:PORT of its end of the tunnel; empty: there is none
    std::string way_key = {};   // of this pair and run, 32 bytes
    VxlanEnd vxlan = {};        // nothing without a way

    friend bool operator==(const Peer&, const Peer&) = default;
};

// The run will need a tunnel: bind its socket, and say where.
struct OpenWay {
    friend bool operator==(const OpenWay&, const OpenWay&) = default;
};

struct WayOpened {
    std::string endpoint;  // ADDRESS:PORT, UDP
    VxlanEnd vxlan = {};

    friend bool operator==(const WayOpened&, const WayOpened&) = default;
};

// Measures the way to another node, through the socket that OpenWay has made; "run" is the
// measurement's name. The one that leads says what came of it, each whether it failed.
struct MeasureWay {
    std::string peer;
    std::string way;      // ADDRESS:PORT of its end
    std::string way_key;  // of this pair and measurement, 32 bytes
    bool leads = false;   // the other one answers
    bool rates = false;

    friend bool operator==(const MeasureWay&, const MeasureWay&) = default;
};

struct WayMeasured {
    WayQuality quality;

    friend bool operator==(const WayMeasured&, const WayMeasured&) = default;
};

struct PrepareRun {
    RunOptions options;
    Scenario scenario;
    std::vector<HostId> local_hosts;  // placed on this node
    PathTable base;
    std::vector<ExperimentTime> epoch_starts;  // by EpochId
    std::vector<std::vector<std::string>> epoch_events;
    std::vector<Peer> peers;  // the other nodes, by name; together they have all other hosts

    // Tables with equal hashes are equal.
    friend bool operator==(const PrepareRun& a, const PrepareRun& b) {
        const auto table = [](const PathTable& t) {
            return std::tuple{t.version(), t.epoch(), t.hash()};
        };
        return a.options == b.options && a.scenario == b.scenario &&
               a.local_hosts == b.local_hosts && table(a.base) == table(b.base) &&
               a.epoch_starts == b.epoch_starts && a.epoch_events == b.epoch_events &&
               a.peers == b.peers;
    }
};

struct PrepareEpoch {
    PathTableDelta delta;
    // The first of a version: what the delta applies to is the table of its epoch of this
    // version. Nothing: that of the epoch before, of the same version.
    std::optional<std::uint32_t> based_on = {};

    friend bool operator==(const PrepareEpoch&, const PrepareEpoch&) = default;
};

struct Prepared {
    std::uint32_t version = 0;
    EpochId epoch;
    std::uint64_t hash = 0;

    friend bool operator==(const Prepared&, const Prepared&) = default;
};

struct HostsReady {
    std::uint32_t hosts = 0;
    std::string data_plane;

    friend bool operator==(const HostsReady&, const HostsReady&) = default;
};

struct ClockPing {
    std::uint32_t sequence = 0;
    Instant sent;  // the controller's clock

    friend bool operator==(const ClockPing&, const ClockPing&) = default;
};

struct ClockPong {
    std::uint32_t sequence = 0;
    Instant ping_sent;  // as it came
    Instant at;         // the node's clock

    friend bool operator==(const ClockPong&, const ClockPong&) = default;
};

struct Begin {
    Instant t0;  // on the node's clock

    friend bool operator==(const Begin&, const Begin&) = default;
};

struct BeginAccepted {
    Instant t0;

    friend bool operator==(const BeginAccepted&, const BeginAccepted&) = default;
};

// Every node has accepted this T0. A node that learns it after T0 refuses.
struct ConfirmBegin {
    Instant t0;

    friend bool operator==(const ConfirmBegin&, const ConfirmBegin&) = default;
};

struct BeginRefused {
    Instant t0;
    std::string reason;  // learned later than T0 - 10 ms: announce anew

    friend bool operator==(const BeginRefused&, const BeginRefused&) = default;
};

// A change by hand comes into force at this instant; or at once, when that is past.
struct AnnounceChange {
    std::uint32_t number = 0;
    std::optional<std::uint32_t> version;  // of path tables, that have been prepared
    ExperimentTime at{};
    std::vector<TimedEvent> actions;  // of applications, in their order
    std::string text;                 // its lines

    friend bool operator==(const AnnounceChange&, const AnnounceChange&) = default;
};

struct ChangeDone {
    std::uint32_t number = 0;
    Duration late{};

    friend bool operator==(const ChangeDone&, const ChangeDone&) = default;
};

// Its tables, or changes before it, are not here: they have to come (again).
struct ChangeMissed {
    std::uint32_t changes = 0;  // the last one that has been announced and can be carried out

    friend bool operator==(const ChangeMissed&, const ChangeMissed&) = default;
};

struct EndRun {
    std::string reason;
    bool interrupted = false;

    friend bool operator==(const EndRun&, const EndRun&) = default;
};

// Tell (again) how the run has ended, and the log from here on.
struct Collect {
    std::uint64_t offset = 0;

    friend bool operator==(const Collect&, const Collect&) = default;
};

// Nobody will ask for the run any more.
struct Forget {
    friend bool operator==(const Forget&, const Forget&) = default;
};

struct RunEnded {
    std::string reason;
    bool failed = false;
    bool interrupted = false;
    std::vector<std::string> problems;
    std::vector<HostResult> hosts;
    ControlTraffic control;

    friend bool operator==(const RunEnded&, const RunEnded&) = default;
};

// The node's part of the run log, in pieces of at most 1 MB: LogRecords, each with its
// length before it (see wire/log_file.hh).
struct LogChunk {
    std::uint64_t offset = 0;
    std::string bytes;

    friend bool operator==(const LogChunk&, const LogChunk&) = default;
};

// What a host has written, in pieces, after the log: of a node whose directory the controller can't
// read.
struct OutputChunk {
    HostId host;
    std::uint64_t offset = 0;
    std::string bytes;

    friend bool operator==(const OutputChunk&, const OutputChunk&) = default;
};

struct LogEnd {
    std::uint64_t size = 0;

    friend bool operator==(const LogEnd&, const LogEnd&) = default;
};

// A node cannot go on with the run (no privilege, no TUN device, a host that can't start).
struct NodeFailed {
    std::string message;
    int exit_code = 1;  // what `pleat run` should exit with: 1, or one of these:
    static constexpr int kInvalidTopology = 3;
    static constexpr int kMissingFeature = 8;

    friend bool operator==(const NodeFailed&, const NodeFailed&) = default;
};

// Any of them. A class of its own so that what copies, moves and ends one is compiled once
// (control_message.cc), not in every file that holds one.
class ControlMessage
    : public std::variant<
          Submit, StartRun, StopRun, Shutdown, Submitted, Refused, Stage, Progress, RunFinished,
          Hello, PrepareRun, PrepareEpoch, Prepared, HostsReady, ClockPing, ClockPong, Begin,
          BeginAccepted, BeginRefused, ConfirmBegin, EndRun, RunEnded, LogChunk, LogEnd, NodeFailed,
          Watch, ListRuns, Runs, Inspect, RunDetails, MakeToken, Token, ListMachines, Machines,
          RemoveMachine, LabelMachine, Done, Join, Joined, Collect, Forget, OpenWay, WayOpened,
          OutputChunk, ReadOutput, OutputPiece, RunOnHost, RanOnHost, ChangeRun, RunChanged,
          AnnounceChange, ChangeDone, ChangeMissed, CheckMachines, Ways, CheckPlacement,
          PlacementChecked, MeasureWay, WayMeasured> {
  public:
    using variant::variant;
    ControlMessage();
    ControlMessage(const ControlMessage& other);
    ControlMessage(ControlMessage&& other) noexcept;
    ControlMessage& operator=(const ControlMessage& other);
    ControlMessage& operator=(ControlMessage&& other) noexcept;
    ~ControlMessage();

    friend bool operator==(const ControlMessage& a, const ControlMessage& b);
};

}  // namespace pleat
