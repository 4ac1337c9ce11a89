// The command line as values: one struct a verb (what may be written is in grammar.cc).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/duration.hh"
#include "cli/exit_code.hh"

namespace pleat {

using Variables = std::vector<std::pair<std::string, std::string>>;  // --var name=value

// What a topology file is read with.
struct TopologyArguments {
    std::string file;
    Variables variables;
    std::optional<std::uint64_t> seed;
    std::vector<std::string> events;  // --set: lines that `pleat do` would take
    std::string events_file;          // --events; empty: those of the file itself
};

struct SampleChoice {
    std::optional<Duration> interval;  // nothing: none
};

struct RunArguments {
    TopologyArguments topology;
    bool no_applications = false;
    bool require_fidelity = false;
    std::uint32_t repeat = 1;
    std::string data_plane;               // empty: chosen
    std::string out;                      // where run directories are made; empty: ./pleat-runs
    std::optional<SampleChoice> samples;  // nothing: chosen by size
    std::string controller;               // empty: PLEAT_CONTROLLER, else one of its own
    bool compare_shares = false;
    bool encrypt = false;
    bool takeover = false;
    bool ignore_network = false;
    bool json = false;
};

// Of the verbs below, `controller` may be empty: PLEAT_CONTROLLER.
struct SubmitArguments {
    TopologyArguments topology;
    std::string controller;
    bool start = false;
    bool up = false;  // start it, and wait until it runs
    bool encrypt = false;
    bool takeover = false;
    bool ignore_network = false;
    bool json = false;
};

struct RunVerbArguments {  // start, stop, down, ps, wait, inspect
    enum class Action : std::uint8_t { start, stop, down, list, wait, inspect };

    Action action = Action::list;
    std::string controller;
    std::string run;
    std::optional<Duration> timeout;  // wait
    bool json = false;
};

// `--ssh` without a destination: the one that `add` was given.
inline constexpr std::string_view kRememberedDestination = "@";

struct MachinesArguments {
    enum class Action : std::uint8_t { list, token, join, add, remove, label, check, logs };

    Action action = Action::list;
    std::string controller;
    std::string object;                 // a machine's name, or a join string
    std::string name;                   // join: of this machine; add --ssh: of that one
    std::string ssh;                    // add, rm, logs: USER@HOST
    std::string advertise;              // add --ssh
    std::optional<std::uint32_t> room;  // add --ssh: hosts that it takes at most
    std::vector<std::string> labels;    // label
    bool for_operator = false;          // token
    bool despite_runs = false;          // check
    bool json = false;
};

struct HostVerbArguments {  // logs, exec
    std::string controller;
    std::string run;  // empty: the latest
    std::string host;
    bool follow = false;               // logs
    std::vector<std::string> command;  // exec; empty: logs
};

struct ChangeArguments {  // set, do, partition, heal, link, mark
    std::string controller;
    std::string run;                 // empty: the only one
    std::vector<std::string> lines;  // as in a file's events: block, without a time
    bool json = false;
};

struct ValidateArguments {
    std::vector<std::string> files;
    Variables variables;
    bool machines = false;   // also against those of the controller
    std::string controller;  // may be empty: PLEAT_CONTROLLER
    bool json = false;
};

struct PathsArguments {
    TopologyArguments topology;
    std::string from;  // empty: all
    std::string to;
    std::string at;          // "30s"; empty: all epochs
    bool machines = false;   // what the network between a controller's machines takes of them
    std::string controller;  // of `machines`; empty: PLEAT_CONTROLLER
    bool stats = false;
    bool json = false;
};

struct ExpandArguments {
    TopologyArguments topology;
};

struct ImportArguments {
    std::string format;
    std::string file;
};

struct ShellArguments {
    std::string link;  // "40ms 10Mbps loss=1%"
    std::vector<std::string> command;
    std::string data_plane;  // empty: chosen
    std::string out;
    std::optional<std::uint64_t> seed;
};

struct DoctorArguments {
    bool json = false;
};

struct CleanArguments {
    bool dry_run = false;
    bool json = false;
};

struct CompletionArguments {
    std::string shell;
};

struct VersionArguments {
    bool json = false;
};

using VerbArguments =
    std::variant<RunArguments, ValidateArguments, PathsArguments, ExpandArguments, ImportArguments,
                 ShellArguments, DoctorArguments, CleanArguments, CompletionArguments,
                 VersionArguments, SubmitArguments, RunVerbArguments, HostVerbArguments,
                 MachinesArguments, ChangeArguments>;

struct CommandLine {
    bool quiet = false;
    bool no_colour = false;
    VerbArguments verb;
};

// There is nothing to run: a help text was asked for (data, exit 0), or the line is
// wrong (error).
struct Answer {
    std::string data;
    std::string error;
    ExitCode code = ExitCode::usage;
};

// `arguments` without the program's name.
std::variant<CommandLine, Answer> parse_command_line(const std::vector<std::string>& arguments);

// For the completion: what may follow a verb.
struct VerbWords {
    std::string verb;
    std::vector<std::string> words;  // flags ("--json"), and values where only some are right
};

std::vector<VerbWords> completion_words();

}  // namespace pleat
