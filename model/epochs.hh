// Epochs: the precomputed path tables of a scenario: that of epoch 0 in full, the
// others as deltas, found by repairing subtrees (Ramalingam and Reps 1996).
#pragma once

#include <string>
#include <vector>

#include "model/path_table.hh"
#include "model/scenario.hh"

namespace pleat {

struct Epoch {
    ExperimentTime start{};
    std::vector<std::string> events;  // their lines, each once, in canonical order
    PathTableDelta delta;             // from the epoch before; empty for epoch 0
};

struct Epochs {
    PathTable base;             // epoch 0, version 1
    std::vector<Epoch> epochs;  // at least one: epoch 0
};

// Events at 0s belong to epoch 0. Only events that change the topology open epochs.
Epochs compute_epochs(const Scenario& scenario);

// The tables of all epochs in full, in order. Big: for tests and small scenarios.
std::vector<PathTable> tables(const Epochs& epochs);

}  // namespace pleat
