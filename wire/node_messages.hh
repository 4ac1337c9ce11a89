// What the controller and the nodes say to each other; when, is in wire/messages.hh.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "model/path_table.hh"
#include "model/scenario.hh"
#include "model/way_quality.hh"
#include "wire/run_options.hh"
#include "wire/run_results.hh"

namespace pleat {

// Messages of another version of the protocol are refused; Hello and Refused are read
// whatever their version, so that both sides can say why.
inline constexpr std::uint32_t kProtocolVersion = 1;

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

// Once a second; on to the cli, of all nodes together.
struct Progress {
    ExperimentTime at{};
    EpochId epoch;
    std::uint64_t throughput_bps = 0;
    std::uint32_t hosts_ready = 0;
    std::uint32_t hosts_running = 0;

    friend bool operator==(const Progress&, const Progress&) = default;
};

// A node cannot go on with the run (no privilege, no TUN device, a host that can't start).
struct NodeFailed {
    std::string message;
    int exit_code = 1;  // what `pleat run` should exit with: 1, or one of these:
    static constexpr int kInvalidTopology = 3;
    static constexpr int kMissingFeature = 8;

    friend bool operator==(const NodeFailed&, const NodeFailed&) = default;
};

}  // namespace pleat
