// From a scenario to all that a node needs to run it.
#pragma once

#include <string>
#include <vector>

#include "base/result.hh"
#include "model/epochs.hh"
#include "model/underlay.hh"
#include "wire/messages.hh"

namespace pleat {

// What one machine has of a run.
struct MachinePart {
    std::string machine;
    std::vector<HostId> hosts;  // ascending, at least one

    friend bool operator==(const MachinePart&, const MachinePart&) = default;
};

// A run that has been accepted. Immutable.
struct RunPlan {
    Scenario scenario;
    std::string source_text;
    RunOptions options;
    Epochs epochs;
    std::vector<MachinePart> parts;  // by name; each host is in one
};

// Computes every epoch. Fails when the scenario can't be run by this build, and says
// what of it. `machine_of_host` by HostId.
Result<RunPlan> plan_run(Submit submit, const std::vector<std::string>& machine_of_host);

// The same, all on one machine.
Result<RunPlan> plan_run_on(const std::string& machine, Submit submit);

// The machine of each host, by HostId, as docs/design/placement.md has it. `machines` in name
// order, at least one. `underlay`: the network between them, as far as it is known; hosts that
// are nearer than it allows go together. Fails when there is no room, or no machine as `place:`
// wants it.
Result<std::vector<std::string>> placement_of(const Scenario& scenario,
                                              const std::vector<Machine>& machines,
                                              const std::vector<UnderlayLink>& underlay = {});

// Who has what; machines without hosts have no part.
std::vector<MachinePart> parts_of(const std::vector<std::string>& machine_of_host);

// What the planned run consists of; `took` is what it took to plan it.
Submitted summary(const RunPlan& plan, Duration took);

// What the node of a part gets first, and then an epoch at a time. `peers`: the others.
PrepareRun first_push(const RunPlan& plan, const MachinePart& part, std::vector<Peer> peers);

// The path table's hash that the node must answer with, by epoch.
std::vector<std::uint64_t> table_hashes(const Epochs& epochs);

// 16 hexadecimal digits, as in the store and the manifest.
std::string hash_text(std::uint64_t hash);

}  // namespace pleat
