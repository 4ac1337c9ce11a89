// Trees and paths against Boost.Graph.
#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "model/path.hh"
#include "model/shortest_paths.hh"
#include "tests/model/build.hh"
#include "tests/model/oracle.hh"
#include "tests/model/random_world.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

RouteKey packed(std::pair<std::int64_t, std::int64_t> distance, Routing routing) {
    const int shift = routing == Routing::latency ? 16 : 48;
    return (static_cast<RouteKey>(distance.first) << shift) +
           static_cast<RouteKey>(distance.second);
}

// Tells the first difference, or nothing.
std::string difference(const Topology& topology, Routing routing) {
    Scenario world = scenario(topology);
    world.routing = routing;
    const PathTable table = compute_epochs(world).base;

    const RouteMetric metric{routing, topology.bridges().size()};
    const BridgeGraph graph{topology, metric, table.links()};
    ShortestPathTree tree{graph};
    const std::vector<VertexId> sources = tree_sources(topology);
    for (std::size_t t = 0; t < sources.size(); ++t) {
        const OracleTree expected = oracle_tree(topology, routing, table.links(), sources[t]);
        tree.compute(tree_starts(topology, sources[t], metric, table.links()));
        if (tree.parents() != *table.trees()[t]) return "the table's tree is another";
        for (std::uint32_t b = 0; b < topology.bridges().size(); ++b) {
            const VertexId v = topology.vertex(BridgeId{b});
            const std::string where = topology.name(sources[t]) + " to " + topology.name(v);
            if (tree.parents()[b] != expected.parents[v.value]) return "parent, " + where;
            const auto distance = expected.distances[v.value];
            if (tree.distances()[b] != (distance ? packed(*distance, routing) : kNoRoute)) {
                return "distance, " + where;
            }
        }
    }

    const PathFolder folder{topology, routing};
    for (std::uint32_t s = 0; s < topology.hosts().size(); ++s) {
        const OracleTree expected = oracle_tree(topology, routing, table.links(), VertexId{s});
        for (std::uint32_t d = 0; d < topology.hosts().size(); ++d) {
            if (s == d) continue;
            if (folder.links(table, HostId{s}, HostId{d}) !=
                oracle_links(topology, expected, VertexId{d})) {
                return "path, " + topology.name(VertexId{s}) + " to " + topology.name(VertexId{d});
            }
        }
    }
    return {};
}

void compare_random_worlds(const Shape& shape, int worlds, std::uint64_t seed) {
    Random random{seed};
    for (int i = 0; i < worlds; ++i) {
        const Topology topology = build(random_parts(random, shape));
        INFO("world " << i);
        REQUIRE(difference(topology, Routing::latency).empty());
        REQUIRE(difference(topology, Routing::hops).empty());
    }
}

}  // namespace

TEST_CASE("paths are those of Dijkstra with many ties") {
    compare_random_worlds({.latency_steps = 2}, 300, 1);
}

TEST_CASE("paths are those of Dijkstra when no link has latency") {
    compare_random_worlds({.latency_steps = 0}, 150, 2);
}

TEST_CASE("paths are those of Dijkstra on larger graphs with many values") {
    compare_random_worlds({.bridges = 60, .hosts = 30, .bridge_links = 80, .latency_steps = 1000},
                          15, 3);
}

TEST_CASE("paths are those of Dijkstra when many links are down") {
    compare_random_worlds({.bridge_links = 8, .down_percent = 40}, 150, 4);
}

TEST_CASE("paths are those of Dijkstra on a few bridges with several links between two") {
    compare_random_worlds({.bridges = 3, .hosts = 6, .bridge_links = 12, .latency_steps = 1}, 300,
                          5);
}

TEST_CASE("fewer hops win between paths of the same latency") {
    const Topology t = topology(
        {"a -- s1: 1ms", "s1 -- s2: 2ms", "s1 -- s3: 1ms", "s3 -- s2: 1ms", "s2 -- b: 1ms"});
    const PathTable table = compute_epochs(scenario(t)).base;
    CHECK(PathFolder{t}.links(table, host(t, "a"), host(t, "b")) ==
          std::vector{link(t, "a->s1"), link(t, "s1->s2"), link(t, "s2->b")});
}

TEST_CASE("the lowest link id wins between paths of the same latency and hops") {
    const Topology t = topology({"a -- s1: 1ms", "s1 -- s3: 1ms", "s1 -- s2: 1ms", "s2 -- s4: 1ms",
                                 "s3 -- s4: 1ms", "s4 -- b: 1ms"});
    const PathTable table = compute_epochs(scenario(t)).base;
    CHECK(PathFolder{t}.links(table, host(t, "a"), host(t, "b")) ==
          std::vector{link(t, "a->s1"), link(t, "s1->s2"), link(t, "s2->s4"), link(t, "s4->b")});
}

TEST_CASE("routing by hops takes the slow direct link") {
    Scenario world = scenario(topology(
        {"a -- s1: 1ms", "s1 -- s2: 100ms", "s1 -- s3: 1ms", "s3 -- s2: 1ms", "s2 -- b: 1ms"}));
    world.routing = Routing::hops;
    const Topology& t = world.topology;
    const PathTable table = compute_epochs(world).base;
    CHECK(PathFolder{world}.links(table, host(t, "a"), host(t, "b")) ==
          std::vector{link(t, "a->s1"), link(t, "s1->s2"), link(t, "s2->b")});
}

TEST_CASE("hosts do not forward") {
    const Topology t = topology({"a -- s1: 1ms", "s1 -- m: 1ms", "m -- s2: 1ms", "s2 -- b: 1ms"});
    const PathTable table = compute_epochs(scenario(t)).base;
    CHECK(!PathFolder{t}.links(table, host(t, "a"), host(t, "b")));
    CHECK(PathFolder{t}.links(table, host(t, "m"), host(t, "b")));
}

TEST_CASE("a host may have a link straight to another") {
    const Topology t = topology({"a -- b: 3ms", "a -- s1: 1ms", "s1 -- b: 1ms", "b -- c: 1ms"});
    const PathTable table = compute_epochs(scenario(t)).base;
    const PathFolder folder{t};
    CHECK(folder.links(table, host(t, "a"), host(t, "b"))->size() == 2);
    CHECK(folder.links(table, host(t, "c"), host(t, "b")) == std::vector{link(t, "c->b")});
    CHECK(!folder.links(table, host(t, "a"), host(t, "c")));
}

TEST_CASE("latencies too large for the key still give a path with all of its latency") {
    const Topology t = topology({"a -- s1: 90000s", "s1 -- b: 90000s"});
    const PathTable table = compute_epochs(scenario(t)).base;
    const auto path = PathFolder{t}.fold(table, host(t, "a"), host(t, "b"));
    REQUIRE(path);
    CHECK(path->latency == std::chrono::seconds{180'000});
}
