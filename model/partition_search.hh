// PartitionSearch: puts the points of a TrafficGraph on machines so that little bandwidth
// is parted, by well-known steps:
//
// (1) Clusters: the heaviest edge joins its ends first (Kruskal 1956), which makes a tree of
//     clusters; the largest that still fits goes, whole, to the machine it is joined to most, and
//     one that fits nowhere is taken apart (best fit, largest first).
// (2) Swaps: two hosts change places as long as that parts less (Kernighan and Lin 1970), a
//     sequence of swaps at a time; bridges are where most of their bandwidth is.
// Ties go to the lower id: the same for the same graph.
#pragma once

#include <vector>

#include "model/placement.hh"
#include "model/traffic_graph.hh"

namespace pleat {

struct PartitionProblem {
    const TrafficGraph& graph;
    std::size_t hosts = 0;  // vertices 0 .. hosts-1 are hosts, the others bridges
    std::size_t machines = 0;
    // By host: where it must be, if that is fixed.
    std::vector<std::optional<MachineId>> fixed;
    // Hosts that are not fixed, by machine: as many as this, exactly.
    std::vector<std::uint32_t> quota;
};

// By vertex. Hosts that are fixed stay.
std::vector<MachineId> search_partition(const PartitionProblem& problem);

// The bandwidth between machines.
double parted(const TrafficGraph& graph, const std::vector<MachineId>& machine_of);

// Puts each bridge (vertices from `hosts` on) where most of its bandwidth is, until none moves:
// from where they are, from where the heaviest links lead, and from all on one machine, whichever
// that is. The best of these.
void settle_bridges_anew(const TrafficGraph& graph, std::size_t hosts, std::size_t machines,
                         std::vector<MachineId>& machine_of);

}  // namespace pleat
