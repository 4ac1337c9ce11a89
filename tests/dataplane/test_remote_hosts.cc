// The engine with hosts of other machines: what it leaves to them, and takes from them.
#include <catch2/catch.hpp>

#include "tests/dataplane/engine_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

SentPacket packet(std::uint32_t number, std::int32_t bytes) {
    return {.packet = number,
            .protocol = 17,
            .segments = 1,
            .segment_bytes = bytes - 14,
            .tail_bytes = bytes - 14};
}

}  // namespace

TEST_CASE("what goes to another machine leaves earlier by the way there") {
    EngineWorld world;
    world.engine.set_remote(HostId{1}, 3ms);
    world.paths({{flow(0, 1), path(12_Mbps, 10ms)}, {flow(0, 2), path(12_Mbps, 10ms, 1)}});
    world.send(flow(0, 1), 1500, 0s);
    world.send(flow(0, 2), 1500, 0s);
    world.run_until(1s);
    REQUIRE(world.delivered.size() == 2);
    CHECK(world.delivered[0].flow == flow(0, 1));
    CHECK(world.delivered[0].time() == 1ms + 7ms);
    CHECK(world.delivered[1].time() == 1ms + 10ms);
}

TEST_CASE("a way that is longer than the latency makes nothing leave before it departed") {
    EngineWorld world;
    world.engine.set_remote(HostId{1}, 30ms);
    world.paths({{flow(0, 1), path(12_Mbps, 10ms)}});
    world.send(flow(0, 1), 1500, 0s);
    world.send(flow(0, 1), 1500, 0s);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{1ms, 2ms});
}

TEST_CASE("the downlink of another machine's host is not kept here") {
    EngineWorld world;
    FlowShape shape = path(Bandwidth::unlimited());
    shape.downlink = AccessShape{.link = LinkId{7}, .bandwidth = 12_Mbps, .queue = 100'000_B};
    world.engine.set_remote(HostId{1}, 0ms);
    world.paths({{flow(0, 1), shape}, {flow(2, 1), shape}});
    world.send(flow(0, 1), 1500, 0s);
    world.send(flow(2, 1), 1500, 0s);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{0ms, 0ms});
}

TEST_CASE("packets of other machines share the downlink with those from here") {
    EngineWorld world;
    FlowShape shape = path(Bandwidth::unlimited());
    shape.downlink = AccessShape{.link = LinkId{7}, .bandwidth = 12_Mbps, .queue = 100'000_B};
    world.engine.set_remote(HostId{3}, 0ms);
    world.paths({{flow(0, 1), shape}, {flow(3, 1), shape}});
    const auto first = world.send(flow(0, 1), 1500, 0s);
    // The world numbers packets that it sends; take its numbers for those that enter, too.
    const auto second = world.send(flow(1, 0), 1500, 0s);  // no path: a number, and gone
    world.hold_for_entry(second);
    world.engine.enter(flow(3, 1), packet(second, 1500), at(0s));
    world.run_until(1s);
    REQUIRE(world.delivered.size() == 2);
    CHECK(world.delivered[0].packet == first);
    CHECK(world.delivered[0].time() == 0ms);
    CHECK(world.delivered[1].packet == second);
    CHECK(world.delivered[1].time() == 1ms);  // the first occupied the link
    CHECK(world.references() == 0);
}

TEST_CASE("a flow of another machine is not reported as one of ours") {
    EngineWorld world;
    world.paths({{flow(3, 1), path(1_Mbps, 50ms)}});
    const auto number = world.send(flow(1, 0), 1500, 0s);
    const auto reported = world.started.size();
    world.hold_for_entry(number);
    world.engine.enter(flow(3, 1), packet(number, 1500), at(1ms));
    world.run_until(1s);
    CHECK(world.started.size() == reported);
    REQUIRE(world.delivered.size() == 1);
    CHECK(world.delivered[0].time() == 1ms);  // its delay was served where it came from
}

TEST_CASE("a cut host gets nothing from other machines, an unreachable one what was under way") {
    EngineWorld world;
    const auto number = world.send(flow(1, 0), 1500, 0s);
    world.hold_for_entry(number);
    world.engine.enter(flow(3, 1), packet(number, 1500), at(1ms));
    CHECK(world.delivered.size() == 1);
    const auto other = world.send(flow(1, 0), 1500, 2ms);
    const auto dropped = world.engine.drops().unreachable;
    world.hold_for_entry(other);
    world.engine.cut(HostId{1}, at(3ms));
    world.engine.enter(flow(3, 1), packet(other, 1500), at(4ms));
    CHECK(world.delivered.size() == 1);
    CHECK(world.engine.drops().unreachable == dropped + 1);
    CHECK(world.references() == 0);
}

TEST_CASE("flows of other machines are forgotten, too") {
    constexpr std::uint32_t kHosts = 500;
    EngineWorld world{kHosts};
    std::size_t most = 0;
    for (std::uint32_t i = 1; i < kHosts; ++i) {
        const Duration when = i * 1s;
        const auto number = world.send(flow(0, 1), 100, when);
        world.hold_for_entry(number);
        world.engine.enter(flow(i, 0), packet(number, 100), at(when));
        most = std::max(most, world.engine.flows());
    }
    CHECK(world.delivered.size() == kHosts - 1);
    CHECK(most < 100);
    CHECK(world.references() == 0);
}
