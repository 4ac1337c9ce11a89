// Folding links into paths.
#include <cmath>

#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "model/path.hh"
#include "tests/model/build.hh"
#include "tests/model/oracle.hh"
#include "tests/model/random_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

// Folds the path between two hosts as the topology is at T0.
std::optional<Path> fold(const Topology& topology, const char* from, const char* to) {
    const PathTable table = compute_epochs(scenario(topology)).base;
    return PathFolder{topology}.fold(table, host(topology, from), host(topology, to));
}

std::optional<Path> fold(const std::vector<std::string>& lines) {
    return fold(topology(lines), "a", "b");
}

constexpr double kTiny = 1e-12;

// The same by the definitions, from the oracle's links.
Path by_definition(const Topology& topology, const std::vector<LinkId>& links,
                   const std::optional<std::vector<LinkId>>& back) {
    Path path;
    path.links = links;
    double squares = 0;
    double passes = 1;
    Bandwidth least = Bandwidth::unlimited();
    Duration most{};
    for (const LinkId id : links) {
        const LinkProperties& p = topology.link(id).properties;
        path.latency += p.latency;
        squares += std::pow(static_cast<double>(p.jitter.count()), 2);
        passes *= 1 - p.loss.value();
        least = std::min(least, p.bandwidth);
        most = std::max(most, p.jitter);
    }
    path.jitter = Duration{std::lround(std::sqrt(squares))};
    path.loss = Probability::of(1 - passes);
    path.bandwidth = least;
    path.rtt = 2 * path.latency;
    if (back) {
        path.rtt = path.latency;
        for (const LinkId id : *back) path.rtt += topology.link(id).properties.latency;
    }
    std::vector<LinkId> sorted = links;
    std::ranges::sort(sorted);
    const auto narrowest = std::ranges::find_if(
        sorted, [&](LinkId id) { return topology.link(id).properties.bandwidth == least; });
    const auto jittery = std::ranges::find_if(
        sorted, [&](LinkId id) { return topology.link(id).properties.jitter == most; });
    path.distribution = topology.link(*jittery).properties.distribution;
    path.queue = queue_bytes(topology.link(*narrowest).properties.queue, least, path.rtt);
    return path;
}

}  // namespace

TEST_CASE("a path's latency is the sum of its links', its bandwidth the least") {
    const auto path =
        fold({"a -- s1: 5ms 100Mbps", "s1 -- s2: 10ms 60Mbps", "s2 -- b: 5ms 100Mbps"});
    REQUIRE(path);
    CHECK(path->latency == 20ms);
    CHECK(path->rtt == 40ms);
    CHECK(path->bandwidth == 60_Mbps);
    CHECK(path->links.size() == 3);
    CHECK(path->queue == 60_Mbps * 40ms);
}

TEST_CASE("the round trip goes back on the way back") {
    const Topology t = topology({"a -> s1: 1ms", "s1 -> b: 1ms", "b -> s1: 30ms", "s1 -> a: 1ms"});
    CHECK(fold(t, "a", "b")->rtt == 33ms);
    CHECK(fold(t, "b", "a")->rtt == 33ms);
}

TEST_CASE("without a way back the round trip is twice the way there") {
    const Topology t = topology({"a -> s1: 1ms", "s1 -> b: 2ms"});
    CHECK(fold(t, "a", "b")->rtt == 6ms);
    CHECK(!fold(t, "b", "a"));
}

TEST_CASE("jitter is the root of the sum of squares, exact for one link") {
    CHECK(fold({"a -- s1: 0ms~3ms", "s1 -- b: 0ms~4ms"})->jitter == 5ms);
    CHECK(fold({"a -- s1: 0ms~0.123456789s", "s1 -- b: 0ms"})->jitter == 123'456'789ns);
}

TEST_CASE("losses combine as independent chances, exact for one link") {
    CHECK(fold({"a -- s1: 1ms loss=10%", "s1 -- b: 1ms loss=20%"})->loss.value() ==
          Approx(0.28).epsilon(kTiny));
    CHECK(fold({"a -- s1: 1ms loss=10%", "s1 -- b: 1ms"})->loss == Probability::of(0.1));
    CHECK(fold({"a -- s1: 1ms loss=100%", "s1 -- b: 1ms loss=10%"})->loss == Probability::of(1));
}

TEST_CASE("queue and overhead are those of the narrowest link, the lowest id on ties") {
    const auto path = fold({"a -- s1: 1ms 5Mbps queue=7000B overhead=0",
                            "s1 -- s2: 1ms 5Mbps queue=9000B", "s2 -- b: 1ms 50Mbps queue=1B"});
    CHECK(path->queue == 7000_B);
    CHECK(path->overhead.bytes_per_packet == 0);
}

TEST_CASE("burst loss and distribution come from the link that has them") {
    TopologyBuilder builder;
    builder.add(Host{"a", "a", 0, false, {}});
    builder.add(Host{"b", "b", 0, false, {}});
    builder.add(Bridge{"s1", "s1", false, {}});
    LinkProperties first = properties("1ms~1ms");
    LinkProperties second = properties("1ms~2ms");
    second.distribution = JitterDistribution::pareto;
    second.burst_loss = GilbertElliott{Probability::of(0.1), Probability::of(0.2), {}, {}};
    second.corrupt = Probability::of(0.5);
    second.duplicate = Probability::of(0.25);
    second.reorder = Probability::of(0.125);
    builder.add_link("a", "s1", first);
    builder.add_link("s1", "b", second);
    const auto path = fold(*std::move(builder).build(), "a", "b");
    CHECK(path->distribution == JitterDistribution::pareto);
    CHECK(path->burst_loss == second.burst_loss);
    CHECK(path->corrupt == second.corrupt);
    CHECK(path->duplicate == second.duplicate);
    CHECK(path->reorder == second.reorder);
}

TEST_CASE("no path leads to oneself, over links that are down, or across a partition") {
    const Topology t = topology({"a -- s1: 1ms", "s1 -- s2: 1ms down", "s2 -- b: 1ms",
                                 "c -- s1: 1ms down", "d -- s1: 1ms"});
    CHECK(!fold(t, "a", "a"));
    CHECK(!fold(t, "a", "b"));
    CHECK(!fold(t, "c", "a"));
    CHECK(!fold(t, "a", "c"));
    CHECK(fold(t, "a", "d"));

    const Partition apart{{{vertex(t, "a")}, {vertex(t, "d")}}};
    const auto all = tables(compute_epochs(scenario(t, {event(1s, apart), event(2s, Heal{})})));
    const PathFolder folder{t};
    CHECK(!folder.fold(all[1], host(t, "a"), host(t, "d")));
    CHECK(folder.fold(all[2], host(t, "a"), host(t, "d")));
}

TEST_CASE("a disconnected host with several links has no path and comes back") {
    const Topology t = topology({"a -- s1: 1ms", "a -- s2: 5ms", "s1 -- b: 1ms", "s2 -- b: 1ms"});
    const VertexId a = vertex(t, "a");
    const auto all = tables(compute_epochs(scenario(
        t, {event(1s, VertexDown{a}), event(2s, VertexUp{a}), event(3s, LinkDown{link(t, "a->s1")}),
            event(4s, LinkDown{link(t, "s2->b")})})));
    const PathFolder folder{t};
    std::vector<std::optional<Duration>> latencies;
    for (const PathTable& table : all) {
        const auto path = folder.fold(table, host(t, "a"), host(t, "b"));
        latencies.push_back(path ? std::optional{path->latency} : std::nullopt);
    }
    CHECK(latencies ==
          std::vector<std::optional<Duration>>{2ms, std::nullopt, 2ms, 6ms, std::nullopt});
}

TEST_CASE("folding is what the definitions say on random worlds") {
    Random random{21};
    for (int i = 0; i < 150; ++i) {
        const Topology t = build(random_parts(random, {.latency_steps = 3}));
        const PathTable table = compute_epochs(scenario(t)).base;
        const PathFolder folder{t};
        for (std::uint32_t s = 0; s < t.hosts().size(); ++s) {
            const OracleTree there = oracle_tree(t, Routing::latency, table.links(), VertexId{s});
            for (std::uint32_t d = 0; d < t.hosts().size(); ++d) {
                if (s == d) continue;
                const OracleTree back =
                    oracle_tree(t, Routing::latency, table.links(), VertexId{d});
                const auto links = oracle_links(t, there, VertexId{d});
                auto path = folder.fold(table, HostId{s}, HostId{d});
                REQUIRE(path.has_value() == links.has_value());
                if (!path) continue;
                const Path expected = by_definition(t, *links, oracle_links(t, back, VertexId{s}));
                REQUIRE(path->loss.value() == Approx(expected.loss.value()).margin(kTiny));
                path->loss = expected.loss;
                REQUIRE(*path == expected);
            }
        }
    }
}

TEST_CASE("a table from elsewhere with trees in circles yields no path") {
    const Topology t = topology({"a -- s1: 1ms", "s1 -- s2: 1ms", "s2 -- s3: 1ms", "s3 -- b: 1ms"});
    const PathTable good = compute_epochs(scenario(t)).base;
    Parents circle = *good.trees()[0];
    circle[1] = link(t, "s3->s2");
    circle[2] = link(t, "s2->s3");
    const auto tree = std::make_shared<const Parents>(circle);
    const PathTable bad{
        1, EpochId{0}, {good.links().begin(), good.links().end()}, {tree, good.trees()[1]}, {}};
    CHECK(!PathFolder{t}.links(bad, host(t, "a"), host(t, "b")));
}

TEST_CASE("queues are counted in bytes") {
    using Kind = QueueLimit::Kind;
    const DataSize endless = DataSize::bytes(std::numeric_limits<std::int64_t>::max());
    CHECK(queue_bytes({Kind::packets, 100}, 10_Mbps, 40ms) == 151'400_B);
    CHECK(queue_bytes({Kind::bytes, 262'144}, 10_Mbps, 40ms) == 262'144_B);
    CHECK(queue_bytes({Kind::time, Duration{20ms}.count()}, 10_Mbps, 1s) == 25'000_B);
    CHECK(queue_bytes({Kind::time, Duration{20ms}.count()}, 128_kbps, 1s) == 1514_B);
    CHECK(queue_bytes({Kind::time, 1}, Bandwidth::unlimited(), 1s) == endless);
    CHECK(queue_bytes({Kind::packets, endless.bytes()}, 10_Mbps, 40ms) == endless);
}

TEST_CASE("a bdp queue is at least 20 ms and 10 packets") {
    CHECK(queue_bytes({}, 100_Mbps, 40ms) == 500'000_B);
    CHECK(queue_bytes({}, 100_Mbps, 1ms) == 250'000_B);
    CHECK(queue_bytes({}, 128_kbps, 40ms) == 15'140_B);
    CHECK(queue_bytes({}, Bandwidth::unlimited(), 0ms) ==
          DataSize::bytes(std::numeric_limits<std::int64_t>::max()));
}
