#include "model/traffic_graph.hh"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace pleat {

namespace {

constexpr Bandwidth kWhenAllAreUnlimited = Bandwidth::bits_per_second(1'000'000'000);

Bandwidth heaviest(const Topology& topology) {
    std::optional<Bandwidth> most;
    for (const Link& link : topology.links()) {
        const Bandwidth bandwidth = link.properties.bandwidth;
        if (!bandwidth.is_unlimited() && (!most || bandwidth > *most)) most = bandwidth;
    }
    return most.value_or(kWhenAllAreUnlimited);
}

}  // namespace

TrafficGraph::TrafficGraph(const Topology& topology) : first_(topology.vertex_count() + 1) {
    const Bandwidth most = heaviest(topology);
    std::map<std::pair<VertexId, VertexId>, Edge> joined;
    for (const Link& link : topology.links()) {
        const auto [a, b] = std::minmax(link.from, link.to);
        const Bandwidth bandwidth = std::min(link.properties.bandwidth, most);
        const auto [place, created] = joined.try_emplace({a, b}, Edge{.a = a, .b = b});
        Edge& edge = place->second;
        edge.weight += static_cast<double>(bandwidth.bits_per_second());
        edge.latency =
            created ? link.properties.latency : std::min(edge.latency, link.properties.latency);
    }
    std::vector<std::vector<Neighbour>> of(topology.vertex_count());
    for (const auto& [ends, edge] : joined) {
        edges_.push_back(edge);
        of[edge.a.value].push_back({edge.b, edge.weight});
        of[edge.b.value].push_back({edge.a, edge.weight});
    }
    by_weight_ = edges_;
    std::ranges::sort(by_weight_, {}, [](const Edge& edge) {
        return std::tuple{-edge.weight, edge.latency, edge.a, edge.b};
    });
    for (std::size_t v = 0; v < of.size(); ++v) {
        std::ranges::sort(of[v], {}, &Neighbour::vertex);
        neighbours_.insert(neighbours_.end(), of[v].begin(), of[v].end());
        first_[v + 1] = static_cast<std::uint32_t>(neighbours_.size());
    }
}

std::span<const TrafficGraph::Neighbour> TrafficGraph::neighbours(VertexId vertex) const {
    return std::span{neighbours_}.subspan(first_[vertex.value],
                                          first_[vertex.value + 1] - first_[vertex.value]);
}

}  // namespace pleat
