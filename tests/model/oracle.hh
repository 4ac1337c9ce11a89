// What shortest paths must be, found another way: Boost.Graph's Dijkstra over the whole
// graph, with pairs of (latency, hops) for distances, then the rule for ties applied to
// the distances.
#pragma once

#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "model/network_state.hh"
#include "model/path_table.hh"
#include "model/scenario.hh"

namespace pleat::testing {

struct OracleTree {
    // By VertexId: (ns, hops), or (hops, ns) with `routing: hops`; nothing when unreachable.
    std::vector<std::optional<std::pair<std::int64_t, std::int64_t>>> distances;
    std::vector<LinkId> parents;  // by VertexId
};

// Hosts other than `source` do not forward.
OracleTree oracle_tree(const Topology& topology, Routing routing, std::span<const LinkState> links,
                       VertexId source);

// From the source of `tree` to `destination`.
std::optional<std::vector<LinkId>> oracle_links(const Topology& topology, const OracleTree& tree,
                                                VertexId destination);

}  // namespace pleat::testing
