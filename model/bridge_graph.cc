#include "model/bridge_graph.hh"

namespace pleat {

BridgeGraph::BridgeGraph(const Topology& topology, const RouteMetric& metric,
                         std::span<const LinkState> links)
    : first_out_(topology.bridges().size() + 1, 0),
      first_in_(topology.bridges().size() + 1, 0),
      edge_of_link_(topology.links().size(), kNotAnEdge) {
    for (std::uint32_t id = 0; id < topology.links().size(); ++id) {
        const Link& link = topology.links()[id];
        if (topology.is_host(link.from) || topology.is_host(link.to)) continue;
        const BridgeId from = topology.bridge_of(link.from);
        const BridgeId to = topology.bridge_of(link.to);
        edge_of_link_[id] = static_cast<std::uint32_t>(edges_.size());
        edges_.push_back(Edge{metric.key(links[id]), to, LinkId{id}});
        tails_.push_back(from);
        ++first_out_[from.value + 1];
        ++first_in_[to.value + 1];
    }
    for (std::size_t b = 0; b < bridges(); ++b) {
        first_out_[b + 1] += first_out_[b];
        first_in_[b + 1] += first_in_[b];
    }
    in_.resize(edges_.size());
    std::vector<std::uint32_t> next(first_in_.begin(), first_in_.end() - 1);
    for (std::uint32_t e = 0; e < edges_.size(); ++e) {
        in_[next[edges_[e].to.value]++] = InEdge{tails_[e], e};
    }
}

}  // namespace pleat
