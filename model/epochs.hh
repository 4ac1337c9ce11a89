// Epochs: the precomputed path tables of a scenario: that of epoch 0 in full, the
// others as deltas, found by repairing subtrees (Ramalingam and Reps 1996).
#pragma once

#include <span>
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

// What was changed by hand at one instant of a run, and made a version of its path tables.
struct HandChange {
    std::uint32_t version = 2;  // of those that the change made
    EpochId epoch;              // in which it came into force
    // Phase::by_hand; those of one overlay number are simultaneous, the numbers ascend.
    std::vector<TimedEvent> events;

    friend bool operator==(const HandChange&, const HandChange&) = default;
};

// The tables of a change: a delta that leads from the table of its epoch as it was, and one
// for each epoch after that, from the one before. (The state that epoch begins with is that of
// the file, with all changes `before` in the order of their instants: one comes after the
// switch to its epoch.)
std::vector<PathTableDelta> compute_version(const Scenario& scenario,
                                            std::span<const HandChange> before,
                                            const HandChange& change);

// The epoch of an instant: the last one that has begun. `starts` ascend.
EpochId epoch_at(std::span<const Epoch> epochs, ExperimentTime at);

// The tables of all epochs in full, in order. Big: for tests and small scenarios.
std::vector<PathTable> tables(const Epochs& epochs);

}  // namespace pleat
