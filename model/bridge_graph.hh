// BridgeGraph: the links between bridges, laid out for the shortest-path kernel. Hosts do
// not forward, so no other link can be inside a path.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/route_metric.hh"
#include "model/topology.hh"

namespace pleat {

class BridgeGraph {
  public:
    // Edges are links between bridges in the order of their ids; those out of one bridge
    // are neighbours.
    struct Edge {
        RouteKey key;
        BridgeId to;
        LinkId link;
    };

    struct InEdge {
        BridgeId from;
        std::uint32_t edge;
    };

    static constexpr std::uint32_t kNotAnEdge = 0xffffffff;

    BridgeGraph(const Topology& topology, const RouteMetric& metric,
                std::span<const LinkState> links);

    std::size_t bridges() const { return first_out_.size() - 1; }

    std::span<const Edge> out(BridgeId b) const {
        return std::span{edges_}.subspan(first_out_[b.value],
                                         first_out_[b.value + 1] - first_out_[b.value]);
    }

    std::span<const InEdge> in(BridgeId b) const {
        return std::span{in_}.subspan(first_in_[b.value],
                                      first_in_[b.value + 1] - first_in_[b.value]);
    }

    const Edge& edge(std::uint32_t index) const { return edges_[index]; }

    BridgeId tail(std::uint32_t index) const { return tails_[index]; }

    // kNotAnEdge for links from or to a host.
    std::uint32_t edge_of(LinkId link) const { return edge_of_link_[link.value]; }

    void set_key(std::uint32_t index, RouteKey key) { edges_[index].key = key; }

  private:
    std::vector<Edge> edges_;
    std::vector<BridgeId> tails_;
    std::vector<InEdge> in_;
    std::vector<std::uint32_t> first_out_, first_in_;
    std::vector<std::uint32_t> edge_of_link_;
};

}  // namespace pleat
