// What a run came to: the controller's RunFinished with what only the command line
// knows, the exit code that follows, and the summary for people.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/exit_code.hh"
#include "model/scenario.hh"
#include "wire/messages.hh"

namespace pleat {

struct RunResults {
    std::string run;
    std::string directory;  // as the user would write it: "pleat-runs/r-7f3a"
    Duration took{};
    RunFinished finished;
    std::string verdict = "unchecked";  // "ok", "suspect" or "unchecked"
    std::vector<std::string> reasons;   // of the verdict
};

// Results without a verdict: nothing judges fidelity yet, and this says so.
RunResults unchecked_results(RunFinished finished, std::string directory, Duration took);

// What `pleat run` exits with.
ExitCode exit_code_of(const RunResults& results, bool require_fidelity);

// "done", "failed" or "interrupted", as `ps` says it.
std::string state_of(const RunFinished& finished);

// Hosts and verdict, for people.
std::string summary(const RunResults& results, const Scenario& scenario);

}  // namespace pleat
