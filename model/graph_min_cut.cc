#include "model/graph_min_cut.hh"

#include <cstdint>
#include <vector>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/push_relabel_max_flow.hpp>

namespace pleat {

namespace {

using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
using Edge = Traits::edge_descriptor;
using Flow = std::int64_t;

struct EdgeProperties {
    Flow capacity = 0;
    Flow residual = 0;
    Edge reverse{};
};

using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, boost::no_property,
                                    EdgeProperties>;

// 17.6 Tbps: what is wider counts as unlimited, so that the sum over all hosts has room.
constexpr Flow kUnlimited = std::int64_t{1} << 44;

void add(Graph& graph, std::size_t from, std::size_t to, Flow capacity) {
    const Edge edge = boost::add_edge(from, to, EdgeProperties{.capacity = capacity}, graph).first;
    const Edge back = boost::add_edge(to, from, EdgeProperties{}, graph).first;
    graph[edge].reverse = back;
    graph[back].reverse = edge;
}

}  // namespace

std::optional<Bandwidth> least_cut(const Topology& topology, const PathTable& table,
                                   std::span<const HostId> from, std::span<const HostId> to) {
    const std::size_t source = topology.vertex_count();
    const std::size_t sink = source + 1;
    Graph graph{sink + 1};
    std::vector<bool> sends(topology.hosts().size(), false);
    std::vector<bool> receives(topology.hosts().size(), false);
    for (const HostId host : from) sends[host.value] = true;
    for (const HostId host : to) receives[host.value] = true;
    for (std::uint32_t i = 0; i < topology.links().size(); ++i) {
        const Link& link = topology.link(LinkId{i});
        const LinkState& state = table.link(LinkId{i});
        if (!state.up) continue;
        if (topology.is_host(link.from) && !sends[link.from.value]) continue;
        if (topology.is_host(link.to) && !receives[link.to.value]) continue;
        const Bandwidth bandwidth = state.properties.bandwidth;
        add(graph, link.from.value, link.to.value,
            std::min(kUnlimited, Flow{bandwidth.bits_per_second()}));
    }
    for (const HostId host : from) add(graph, source, host.value, kUnlimited);
    for (const HostId host : to) add(graph, host.value, sink, kUnlimited);
    const Flow flow = boost::push_relabel_max_flow(
        graph, source, sink, boost::get(&EdgeProperties::capacity, graph),
        boost::get(&EdgeProperties::residual, graph), boost::get(&EdgeProperties::reverse, graph),
        boost::get(boost::vertex_index, graph));
    if (flow == 0) return std::nullopt;
    return flow >= kUnlimited ? Bandwidth::unlimited() : Bandwidth::bits_per_second(flow);
}

}  // namespace pleat
