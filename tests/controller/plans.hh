// Small planned runs, and a node that answers as it should, for tests.
#pragma once

#include <string>

#include "controller/planner.hh"

namespace pleat::testing {

// Two hosts at a bottleneck that changes at 1 s and 2 s: three epochs.
Scenario dumbbell();

Submit dumbbell_submit(const std::string& run, const std::string& run_directory);

// A node's report of a run of one host.
RunEnded run_ended(const std::string& reason, bool interrupted = false);

RunPlan dumbbell_plan(const std::string& run, const std::string& run_directory);

}  // namespace pleat::testing
