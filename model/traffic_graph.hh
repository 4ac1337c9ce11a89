// TrafficGraph: a topology as placement sees it: points joined by the bandwidth of their
// links, both directions together, without direction.
#pragma once

#include <span>
#include <vector>

#include "model/topology.hh"

namespace pleat {

class TrafficGraph {
  public:
    struct Edge {
        VertexId a;  // the lower
        VertexId b;
        double weight = 0;   // bits per second, of all links between the two
        Duration latency{};  // the least of them
    };

    struct Neighbour {
        VertexId vertex;
        double weight = 0;
    };

    // Links that are down at T0 count, too: they may come up. Unlimited ones count as the
    // heaviest other link, or as 1 Gbps.
    explicit TrafficGraph(const Topology& topology);

    std::size_t vertices() const { return first_.size() - 1; }

    // By (a, b).
    std::span<const Edge> edges() const { return edges_; }

    // The heaviest first, then the shortest, then the lowest ids.
    std::span<const Edge> heaviest_first() const { return by_weight_; }

    // By id.
    std::span<const Neighbour> neighbours(VertexId vertex) const;

  private:
    std::vector<Edge> edges_;
    std::vector<Edge> by_weight_;
    std::vector<std::uint32_t> first_;  // of neighbours_, by vertex
    std::vector<Neighbour> neighbours_;
};

}  // namespace pleat
