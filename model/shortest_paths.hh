// ShortestPathTree: the shortest paths from one source to all bridges, and their repair
// after links changed (Ramalingam and Reps 1996): only the subtrees below a link that got
// worse and what lies behind a link that got better are looked at again.
//
// (1) distance(b) is the least key of any way from the source to b.
// (2) parent(b) is the lowest id among the links that end such a way: it follows from
//     the distances alone, so it does not depend on the order of anything, and a repaired
//     tree is the very tree that compute() would make.
#pragma once

#include <span>
#include <vector>

#include "model/bridge_graph.hh"
#include "model/key_heap.hh"
#include "model/path_table.hh"

namespace pleat {

// One way from a tree's source onto the bridges: the source's link and its key; for a
// source that is a bridge, kNoLink and 0.
struct TreeStart {
    BridgeId bridge;
    LinkId link;
    RouteKey key;
};

// A link of a BridgeGraph, or a start, by its index.
struct KeyChange {
    std::uint32_t index;
    RouteKey before;
    RouteKey after;
};

struct ParentChange {
    BridgeId bridge;
    LinkId before;
    LinkId after;
};

// The starts of a tree from `source` when links are as in `links`.
std::vector<TreeStart> tree_starts(const Topology& topology, VertexId source,
                                   const RouteMetric& metric, std::span<const LinkState> links);

class ShortestPathTree {
  public:
    explicit ShortestPathTree(const BridgeGraph& graph);  // the graph must outlive it

    // A new tree, in the place of the old one.
    void compute(std::vector<TreeStart> starts);

    // To be called after the keys of `edges` have changed in the graph; those of `starts`
    // change here. Tells which parents changed, ascending by bridge; valid until the next call.
    std::span<const ParentChange> repair(std::span<const KeyChange> edges,
                                         std::span<const KeyChange> starts);

    const Parents& parents() const { return parents_; }

    std::span<const RouteKey> distances() const { return distances_; }

  private:
    void touch(BridgeId b);
    void relax(BridgeId b, RouteKey key, LinkId link);
    void cut_off(BridgeId b);
    void reconnect_orphans();
    void settle();

    const BridgeGraph* graph_;
    std::vector<TreeStart> starts_;
    std::vector<RouteKey> distances_;  // kNoRoute where no way leads
    Parents parents_;
    KeyHeap heap_;
    std::vector<BridgeId> orphans_;
    std::vector<ParentChange> touched_;
    std::vector<std::uint32_t> touched_in_;  // by BridgeId: the last round that touched it
    std::uint32_t round_ = 0;
};

}  // namespace pleat
