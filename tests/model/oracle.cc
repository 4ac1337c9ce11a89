#include "tests/model/oracle.hh"

#include <algorithm>
#include <limits>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/dijkstra_shortest_paths.hpp>

namespace pleat::testing {

namespace {

using Distance = std::pair<std::int64_t, std::int64_t>;
using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, boost::no_property,
                                    boost::property<boost::edge_weight_t, Distance>>;

constexpr Distance kFar{std::numeric_limits<std::int64_t>::max(), 0};

Distance sum(const Distance& a, const Distance& b) {
    return {a.first + b.first, a.second + b.second};
}

}  // namespace

OracleTree oracle_tree(const Topology& topology, Routing routing, std::span<const LinkState> links,
                       VertexId source) {
    Graph graph(topology.vertex_count());
    const auto usable = [&](std::uint32_t id) {
        const VertexId from = topology.links()[id].from;
        return links[id].up && (from == source || !topology.is_host(from));
    };
    const auto length = [&](std::uint32_t id) {
        const std::int64_t ns = links[id].properties.latency.count();
        return routing == Routing::latency ? Distance{ns, 1} : Distance{1, ns};
    };
    for (std::uint32_t id = 0; id < links.size(); ++id) {
        const Link& link = topology.links()[id];
        if (usable(id)) boost::add_edge(link.from.value, link.to.value, length(id), graph);
    }

    std::vector<Distance> distances(topology.vertex_count());
    boost::dijkstra_shortest_paths(
        graph, source.value,
        boost::distance_map(boost::make_iterator_property_map(
                                distances.begin(), boost::get(boost::vertex_index, graph)))
            .distance_compare(std::less<Distance>{})
            .distance_combine([](const Distance& a, const Distance& b) { return sum(a, b); })
            .distance_inf(kFar)
            .distance_zero(Distance{0, 0}));

    OracleTree tree;
    tree.parents.assign(topology.vertex_count(), kNoLink);
    for (const Distance& d : distances) {
        tree.distances.push_back(d == kFar ? std::nullopt : std::optional{d});
    }
    for (std::uint32_t id = 0; id < links.size(); ++id) {
        const Link& link = topology.links()[id];
        if (!usable(id) || distances[link.from.value] == kFar || link.to == source) continue;
        const bool tight = sum(distances[link.from.value], length(id)) == distances[link.to.value];
        LinkId& parent = tree.parents[link.to.value];
        if (tight) parent = std::min(parent, LinkId{id});
    }
    return tree;
}

std::optional<std::vector<LinkId>> oracle_links(const Topology& topology, const OracleTree& tree,
                                                VertexId destination) {
    if (!tree.distances[destination.value]) return std::nullopt;
    std::vector<LinkId> links;
    for (VertexId at = destination; tree.parents[at.value] != kNoLink;) {
        links.push_back(tree.parents[at.value]);
        at = topology.link(links.back()).from;
    }
    std::ranges::reverse(links);
    return links;
}

}  // namespace pleat::testing
