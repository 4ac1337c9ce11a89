// From a scenario to all that a node needs to run it.
#pragma once

#include <string>
#include <vector>

#include "base/result.hh"
#include "model/epochs.hh"
#include "wire/messages.hh"

namespace pleat {

// A run that has been accepted. Immutable.
struct RunPlan {
    Scenario scenario;
    std::string source_text;
    RunOptions options;
    Epochs epochs;
};

// Computes every epoch. Fails when the scenario can't be run by this build, and says
// what of it.
Result<RunPlan> plan_run(Submit submit);

// What the planned run consists of; `took` is what it took to plan it.
Submitted summary(const RunPlan& plan, Duration took);

// What the node gets first, and then an epoch at a time.
PrepareRun first_push(const RunPlan& plan);

// The path table's hash that the node must answer with, by epoch.
std::vector<std::uint64_t> table_hashes(const Epochs& epochs);

// 16 hexadecimal digits, as in the store and the manifest.
std::string hash_text(std::uint64_t hash);

}  // namespace pleat
