// What the command line and the controller say to each other; when, is in wire/messages.hh.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/duration.hh"
#include "model/scenario.hh"
#include "model/way_quality.hh"
#include "wire/run_options.hh"
#include "wire/run_results.hh"

namespace pleat {

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

}  // namespace pleat
