// Epochs: repaired trees and layered states against what is made anew.
#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "model/shortest_paths.hh"
#include "tests/model/build.hh"
#include "tests/model/naive_state.hh"
#include "tests/model/random_world.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

std::vector<PathTable::Tree> trees_anew(const Scenario& world, std::span<const LinkState> links) {
    const RouteMetric metric{world.routing, world.topology.bridges().size()};
    const BridgeGraph graph{world.topology, metric, links};
    ShortestPathTree tree{graph};
    std::vector<PathTable::Tree> trees;
    for (const VertexId source : tree_sources(world.topology)) {
        tree.compute(tree_starts(world.topology, source, metric, links));
        trees.push_back(std::make_shared<const Parents>(tree.parents()));
    }
    return trees;
}

// Every epoch's table against one made from nothing but the state at its start.
void check_against_full_recompute(const Scenario& world) {
    const Epochs epochs = compute_epochs(world);
    const std::vector<PathTable> all = tables(epochs);
    for (std::size_t e = 0; e < all.size(); ++e) {
        INFO("epoch " << e);
        const NaiveState state{world.topology, world.timeline, epochs.epochs[e].start};
        const PathTable anew{1, EpochId{static_cast<std::uint32_t>(e)}, state.links(),
                             trees_anew(world, state.links()), state.partitions()};
        REQUIRE(std::ranges::equal(all[e].links(), anew.links()));
        REQUIRE(all[e].partitions() == anew.partitions());
        REQUIRE(std::ranges::equal(all[e].trees(), anew.trees(),
                                   [](const auto& a, const auto& b) { return *a == *b; }));
        REQUIRE(all[e].hash() == anew.hash());
    }
}

Scenario random_scenario(Random& random, const Shape& shape, int events, int moments) {
    Scenario world = scenario(build(random_parts(random, shape)));
    world.timeline = random_timeline(random, world.topology, events, moments);
    if (below(random, 3) == 0) world.routing = Routing::hops;
    return world;
}

}  // namespace

TEST_CASE("after every event the repaired trees and states are those made anew") {
    Random random{11};
    for (int i = 0; i < 60; ++i) {
        INFO("world " << i);
        check_against_full_recompute(random_scenario(random, {.latency_steps = 2}, 60, 40));
    }
}

TEST_CASE("repair is right when several links change at one instant") {
    Random random{12};
    for (int i = 0; i < 60; ++i) {
        INFO("world " << i);
        check_against_full_recompute(random_scenario(random, {.latency_steps = 3}, 80, 8));
    }
}

TEST_CASE("repair is right without latencies") {
    Random random{13};
    for (int i = 0; i < 40; ++i) {
        INFO("world " << i);
        check_against_full_recompute(random_scenario(random, {.latency_steps = 0}, 60, 30));
    }
}

TEST_CASE("repair is right on a larger graph") {
    Random random{14};
    for (int i = 0; i < 3; ++i) {
        INFO("world " << i);
        check_against_full_recompute(random_scenario(
            random, {.bridges = 60, .hosts = 40, .bridge_links = 70, .latency_steps = 20}, 150,
            100));
    }
}

TEST_CASE("nothing depends on the order of a file's lines") {
    Random random{15};
    for (int i = 0; i < 40; ++i) {
        INFO("world " << i);
        Parts parts = random_parts(random, {});
        Scenario first = scenario(build(parts));
        first.timeline = random_timeline(random, first.topology, 40, 10);

        shuffle(random, parts);
        Scenario second = scenario(build(parts));
        REQUIRE(first.topology == second.topology);
        second.timeline = first.timeline;
        shuffle(random, second.timeline);
        REQUIRE(canonical(second.timeline) == first.timeline);

        // Not sorted, to see that compute_epochs does not rely on it.
        const Epochs a = compute_epochs(first);
        const Epochs b = compute_epochs(second);
        REQUIRE(a.base.hash() == b.base.hash());
        REQUIRE(std::ranges::equal(a.base.links(), b.base.links()));
        REQUIRE(a.epochs.size() == b.epochs.size());
        for (std::size_t e = 0; e < a.epochs.size(); ++e) {
            REQUIRE(a.epochs[e].delta == b.epochs[e].delta);
            REQUIRE(a.epochs[e].events == b.epochs[e].events);
            REQUIRE(a.epochs[e].start == b.epochs[e].start);
        }
    }
}

TEST_CASE("events at or before 0 belong to epoch 0, later instants open epochs") {
    const Topology t = topology({"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms"});
    const LinkId changed = link(t, "a->s1");
    const auto set = [&](Duration latency) {
        LinkPatch patch;
        patch.latency = latency;
        return LinkChange{changed, patch};
    };
    const Epochs epochs = compute_epochs(scenario(
        t,
        {event(0s, set(7ms), "zero"), event(-1s, set(9ms), "minus"), event(3s, set(1ms), "three"),
         event(3s, LinkDown{changed}, "cut"), event(5s, LinkUp{changed}, "up")}));
    REQUIRE(epochs.epochs.size() == 3);
    CHECK(epochs.base.link(changed).properties.latency == 7ms);
    CHECK(epochs.epochs[0].events == std::vector<std::string>{"minus", "zero"});
    CHECK(epochs.epochs[0].delta.links.empty());
    CHECK(epochs.epochs[1].start == ExperimentTime{3s});
    CHECK(epochs.epochs[1].events == std::vector<std::string>{"three", "cut"});
    CHECK(epochs.epochs[1].delta.links.size() == 1);
    CHECK(epochs.epochs[2].delta.epoch == EpochId{2});
}

TEST_CASE("starts, marks and the like open no epoch") {
    const Topology t = topology({"a -- s1: 5ms", "s1 -- b: 5ms"});
    const Epochs epochs =
        compute_epochs(scenario(t, {event(1s, Mark{"half"}), event(2s, Quit{}),
                                    event(3s, HostAction{HostAction::Kind::crash, host(t, "a")}),
                                    event(4s, Execute{host(t, "a"), {"true"}})}));
    CHECK(epochs.epochs.size() == 1);
}

TEST_CASE("a line that is several events is told once") {
    const Topology t = topology({"a -- s1: 5ms", "s1 -- b: 5ms"});
    const Epochs epochs =
        compute_epochs(scenario(t, {event(1s, LinkDown{link(t, "a->s1")}, "down *"),
                                    event(1s, LinkDown{link(t, "s1->b")}, "down *"),
                                    event(1s, LinkDown{link(t, "b->s1")}, "down b--s1")}));
    CHECK(epochs.epochs.at(1).events == std::vector<std::string>{"down *", "down b--s1"});
}

TEST_CASE("a scenario that returns to a state returns to its hash") {
    const Topology t = topology({"a -- s1: 5ms", "s1 -- s2: 1ms", "s2 -- b: 5ms"});
    const LinkId core = link(t, "s1->s2");
    const Epochs epochs =
        compute_epochs(scenario(t, {event(1s, LinkDown{core}), event(2s, LinkUp{core})}));
    CHECK(epochs.epochs.at(1).delta.hash != epochs.base.hash());
    CHECK(epochs.epochs.at(2).delta.hash == epochs.base.hash());
}

TEST_CASE("a topology without bridges, or without anything, has an epoch") {
    CHECK(compute_epochs(scenario(Topology{})).epochs.size() == 1);
    const Topology t = topology({"a -- b: 5ms"});
    CHECK(compute_epochs(scenario(t)).base.trees().empty());
}
