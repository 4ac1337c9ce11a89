// Whether the real network between machines can carry what a placement asks of it.
#pragma once

#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "model/path.hh"
#include "model/placement.hh"

namespace pleat {

// The real network between two machines, as measured. One direction of each pair is enough
// when both are alike: a missing one is taken from the other.
struct UnderlayLink {
    MachineId from;
    MachineId to;
    Duration round_trip{};
    std::optional<Bandwidth> rate;  // nothing: not measured, and so not checked
    // Of the rate: what others may send there at once. It is no other path's to promise.
    std::optional<Bandwidth> spoken_for{};
};

// What any plane adds to a path, on one machine, too: no reason to refuse.
inline constexpr Duration kAddedByPlanes = std::chrono::microseconds{200};

// A path that cannot be as fast as it should: emulated latency below half the real round trip.
struct LatencyBelowReal {
    FlowKey flow;
    Duration emulated{};
    Duration real{};  // half the round trip

    friend bool operator==(const LatencyBelowReal&, const LatencyBelowReal&) = default;
};

// A path with more bandwidth than the underlay has.
struct PathAboveUnderlay {
    FlowKey flow;
    Bandwidth emulated = Bandwidth::unlimited();
    Bandwidth real = Bandwidth::unlimited();

    friend bool operator==(const PathAboveUnderlay&, const PathAboveUnderlay&) = default;
};

// All paths from one machine to another together: what the emulated network can carry
// (its least cut) is more than what the underlay can, or than what others leave of that.
struct TogetherAboveUnderlay {
    MachineId from;
    MachineId to;
    Bandwidth emulated = Bandwidth::unlimited();
    Bandwidth real = Bandwidth::unlimited();
    std::optional<Bandwidth> spoken_for{};

    friend bool operator==(const TogetherAboveUnderlay&, const TogetherAboveUnderlay&) = default;
};

using UnderlayFinding = std::variant<LatencyBelowReal, PathAboveUnderlay, TogetherAboveUnderlay>;

struct UnderlayFindings {
    std::vector<UnderlayFinding> findings;  // the first `most`: by kind, then by ids
    std::size_t total = 0;                  // all there are
};

// Folds every pair of hosts on different machines whose underlay is known: about a microsecond
// each.
UnderlayFindings check_underlay(const PathFolder& folder, const PathTable& table,
                                const Placement& placement, std::span<const UnderlayLink> underlay,
                                std::size_t most = 100);

}  // namespace pleat
