#include "model/shortest_paths.hh"

#include <algorithm>

namespace pleat {

std::vector<TreeStart> tree_starts(const Topology& topology, VertexId source,
                                   const RouteMetric& metric, std::span<const LinkState> links) {
    if (!topology.is_host(source)) return {TreeStart{topology.bridge_of(source), kNoLink, 0}};
    std::vector<TreeStart> starts;
    for (const LinkId id : topology.out_links(source)) {
        const VertexId to = topology.link(id).to;
        if (topology.is_host(to)) continue;
        starts.push_back(TreeStart{topology.bridge_of(to), id, metric.key(links[id.value])});
    }
    return starts;
}

ShortestPathTree::ShortestPathTree(const BridgeGraph& graph)
    : graph_{&graph}, heap_{graph.bridges()}, touched_in_(graph.bridges(), 0) {}

void ShortestPathTree::compute(std::vector<TreeStart> starts) {
    starts_ = std::move(starts);
    distances_.assign(graph_->bridges(), kNoRoute);
    parents_.assign(graph_->bridges(), kNoLink);
    ++round_;
    touched_.clear();
    for (const TreeStart& start : starts_) {
        if (start.key != kNoRoute) relax(start.bridge, start.key, start.link);
    }
    settle();
}

std::span<const ParentChange> ShortestPathTree::repair(std::span<const KeyChange> edges,
                                                       std::span<const KeyChange> starts) {
    ++round_;
    touched_.clear();
    orphans_.clear();
    for (const KeyChange& change : starts) starts_[change.index].key = change.after;

    // What hangs below a link that got worse must look for a new way, or keep the same
    // at a higher price.
    for (const KeyChange& change : edges) {
        const BridgeGraph::Edge& edge = graph_->edge(change.index);
        if (change.after > change.before && parents_[edge.to.value] == edge.link) cut_off(edge.to);
    }
    for (const KeyChange& change : starts) {
        const TreeStart& start = starts_[change.index];
        if (change.after > change.before && parents_[start.bridge.value] == start.link) {
            cut_off(start.bridge);
        }
    }
    reconnect_orphans();

    // What got better is a new way for its end, if it can be reached at all (an orphan at
    // its beginning will come to it by itself).
    for (const KeyChange& change : edges) {
        const RouteKey reached = distances_[graph_->tail(change.index).value];
        if (change.after >= change.before || reached == kNoRoute) continue;
        const BridgeGraph::Edge& edge = graph_->edge(change.index);
        relax(edge.to, reached + edge.key, edge.link);
    }
    for (const KeyChange& change : starts) {
        const TreeStart& start = starts_[change.index];
        if (change.after < change.before) relax(start.bridge, start.key, start.link);
    }
    settle();

    for (ParentChange& touched : touched_) touched.after = parents_[touched.bridge.value];
    std::erase_if(touched_, [](const ParentChange& t) { return t.before == t.after; });
    std::ranges::sort(touched_, {}, &ParentChange::bridge);
    return touched_;
}

void ShortestPathTree::touch(BridgeId b) {
    if (touched_in_[b.value] == round_) return;
    touched_in_[b.value] = round_;
    touched_.push_back(ParentChange{b, parents_[b.value], kNoLink});
}

void ShortestPathTree::relax(BridgeId b, RouteKey key, LinkId link) {
    if (key < distances_[b.value]) {
        touch(b);
        distances_[b.value] = key;
        parents_[b.value] = link;
        heap_.lower(b, key);
    } else if (key == distances_[b.value] && link < parents_[b.value]) {
        touch(b);
        parents_[b.value] = link;
    }
}

// Makes orphans of a bridge and of all whose paths go over it.
void ShortestPathTree::cut_off(BridgeId b) {
    const auto orphan = [this](BridgeId child) {
        touch(child);
        distances_[child.value] = kNoRoute;
        parents_[child.value] = kNoLink;
        orphans_.push_back(child);
    };
    std::size_t next = orphans_.size();
    orphan(b);
    for (; next < orphans_.size(); ++next) {
        for (const BridgeGraph::Edge& edge : graph_->out(orphans_[next])) {
            if (parents_[edge.to.value] == edge.link) orphan(edge.to);
        }
    }
}

// Offers each orphan the ways over its neighbours. That a neighbour's distance may still
// fall does no harm: it will then offer the better way itself.
void ShortestPathTree::reconnect_orphans() {
    if (orphans_.empty()) return;
    for (const BridgeId orphan : orphans_) {
        for (const BridgeGraph::InEdge& in : graph_->in(orphan)) {
            const RouteKey reached = distances_[in.from.value];
            const BridgeGraph::Edge& edge = graph_->edge(in.edge);
            if (reached != kNoRoute && edge.key != kNoRoute) {
                relax(orphan, reached + edge.key, edge.link);
            }
        }
    }
    for (const TreeStart& start : starts_) {
        // For bridges that are no orphans this finds nothing new.
        if (start.key != kNoRoute) relax(start.bridge, start.key, start.link);
    }
}

// Dijkstra, from what is in the heap.
void ShortestPathTree::settle() {
    while (!heap_.empty()) {
        const BridgeId b = heap_.pop();
        const RouteKey reached = distances_[b.value];
        for (const BridgeGraph::Edge& edge : graph_->out(b)) {
            if (edge.key != kNoRoute) relax(edge.to, reached + edge.key, edge.link);
        }
    }
}

}  // namespace pleat
