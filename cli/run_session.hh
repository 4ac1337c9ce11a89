// A run from the command line's side: starts the run's own controller and node, talks
// to the controller until the run is over, and leaves no process behind.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/process.hh"
#include "base/run_ledger.hh"
#include "cli/interrupts.hh"
#include "cli/output.hh"
#include "cli/run_conversation.hh"
#include "wire/keys.hh"

namespace pleat {

// A process that the run needs as long as it lasts.
struct RunProcess {
    std::string role;  // "controller"
    Command command;
    std::string log;  // where its stderr goes
};

struct RunSession {
    Submit submit;
    std::string endpoint;
    std::optional<Pass> pass;  // of a controller on tcp://
    std::vector<RunProcess> processes;
    RunDeadlines deadlines;
    Duration goodbye = std::chrono::seconds{10};  // for the processes to end by themselves
    std::function<void()> each_tick;              // may be empty; about 20 times a second
};

// The controller and the node of `submit`'s run, beside the running executable. Throws
// Failure when they are not there.
std::vector<RunProcess> own_processes(const RunOptions& options, const std::string& endpoint,
                                      const RunLedger& ledger);

struct RunOutcome {
    std::optional<RunFinished> finished;  // nothing: aborted says why
    RunAbort aborted;
    Duration took{};
    std::vector<std::string> problems;  // of the tidying up
};

// Returns when every process of the run has ended.
RunOutcome run(RunSession session, RunLedger& ledger, Interrupts& interrupts, Output& output);

// The same on a controller that is not the run's own, and stays.
RunOutcome run_elsewhere(RunSession session, Interrupts& interrupts, Output& output);

}  // namespace pleat
