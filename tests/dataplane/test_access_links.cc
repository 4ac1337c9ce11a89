// A host's own links, through the engine. 1250 bytes take 1 ms at 10 Mbps.
#include <random>

#include <catch2/catch.hpp>

#include "tests/dataplane/engine_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;

namespace {

FlowShape with_uplink(FlowShape shape, std::uint32_t link, Bandwidth bandwidth) {
    shape.uplink = AccessShape{.link = LinkId{link}, .bandwidth = bandwidth};
    return shape;
}

FlowShape with_downlink(FlowShape shape, std::uint32_t link, Bandwidth bandwidth) {
    shape.downlink =
        AccessShape{.link = LinkId{link}, .bandwidth = bandwidth, .queue = 1'000'000_B};
    return shape;
}

// The most bytes that left in any window of this length.
std::int64_t most_in_window(const std::vector<EngineWorld::Delivery>& all, Duration window) {
    std::int64_t most = 0;
    std::int64_t inside = 0;
    std::size_t first = 0;
    for (const auto& one : all) {
        inside += one.bytes;
        while (one.when - all[first].when > Ticks{window}) inside -= all[first++].bytes;
        most = std::max(most, inside);
    }
    return most;
}

std::int64_t bytes_of(const EngineWorld& world, FlowKey key, Duration from, Duration to) {
    std::int64_t sum = 0;
    for (const auto& one : world.delivered) {
        if (one.flow == key && one.when >= Ticks{from} && one.when < Ticks{to}) sum += one.bytes;
    }
    return sum;
}

// Keeps the flow's queue filled.
void saturate(EngineWorld& world, FlowKey key, Duration from, Duration to) {
    for (Duration now = from; now < to; now += 1ms) {
        while (world.engine.next() && *world.engine.next() <= at(now)) {
            world.engine.advance(*world.engine.next());
        }
        world.send(key, 1514, now, 4);
    }
}

}  // namespace

TEST_CASE("a path at its uplink's rate is not delayed by the uplink") {
    EngineWorld world;
    world.paths({{flow(0, 1), with_uplink(path(10_Mbps, 20ms), 5, 10_Mbps)}});
    for (int i = 0; i < 3; ++i) world.send(flow(0, 1), 1250, 0ms);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{21ms, 22ms, 23ms});
}

TEST_CASE("an access link counts the overhead that it has itself, whatever the path's") {
    constexpr std::int32_t kIp = 1236;
    for (const std::int32_t overhead : {Overhead::kNone, Overhead::kEthernet, Overhead::kWire}) {
        FlowShape shape = with_uplink(path(Bandwidth::unlimited()), 5, 10_Mbps);
        shape.uplink.overhead = Overhead{overhead};
        EngineWorld world;
        world.paths({{flow(0, 1), shape}});
        constexpr int kPackets = 500;
        for (int i = 0; i < kPackets; ++i) {
            world.send(flow(0, 1), kIp + Overhead::kEthernet, 0ms);
        }
        world.run_until(10s);
        REQUIRE(world.delivered.size() == kPackets);
        const Duration expected = kPackets * (kIp + overhead) * 800ns;
        CHECK(static_cast<double>(world.times().back().count()) ==
              Approx(static_cast<double>(expected.count())).epsilon(0.005));
        // The path's own.
        CHECK(world.counters(flow(0, 1)).bytes == std::uint64_t{kPackets} * (kIp + 14));
    }
}

TEST_CASE("two paths that together want more than their uplink share it") {
    EngineWorld world;
    world.paths({{flow(0, 1), with_uplink(path(10_Mbps), 5, 10_Mbps)},
                 {flow(0, 2), with_uplink(path(10_Mbps), 5, 10_Mbps)}});
    for (int i = 0; i < 100; ++i) {
        world.send(flow(0, 1), 1250, 0ms);
        world.send(flow(0, 2), 1250, 0ms);
    }
    world.run_until(100ms);
    CHECK(std::abs(bytes_of(world, flow(0, 1), 0ms, 100ms) - 62'500) <= 2500);
    CHECK(std::abs(bytes_of(world, flow(0, 2), 0ms, 100ms) - 62'500) <= 2500);
    CHECK(world.delivered.size() <= 100);
    CHECK(world.delivered.size() >= 99);
}

TEST_CASE("paths whose caps add up to the uplink each get their share, to half a per cent") {
    // 83 and 17 of 100 Mbps, as shares by round-trip time give, with packets that collide.
    EngineWorld world;
    world.paths({{flow(0, 1), with_uplink(path(100_Mbps), 5, 100_Mbps)},
                 {flow(0, 2), with_uplink(path(100_Mbps), 5, 100_Mbps)}});
    world.engine.set_cap(flow(0, 1), 83'333'333_bps, at(0ms));
    world.engine.set_cap(flow(0, 2), 16'666'667_bps, at(0ms));
    for (int i = 0; i < 600; ++i) world.send(flow(0, 1), 1514, 0ms, 20);
    for (int i = 0; i < 600; ++i) world.send(flow(0, 2), 1514, 0ms, 7);
    world.run_until(1100ms);
    CHECK(static_cast<double>(bytes_of(world, flow(0, 1), 100ms, 1100ms)) ==
          Approx(83.3333e6 / 8).epsilon(0.005));
    CHECK(static_cast<double>(bytes_of(world, flow(0, 2), 100ms, 1100ms)) ==
          Approx(16.6667e6 / 8).epsilon(0.005));
}

TEST_CASE("an uplink is exceeded in no window of 10 ms, whatever its paths want") {
    std::mt19937_64 random{7};
    for (int round = 0; round < 20; ++round) {
        EngineWorld world{8};
        std::map<FlowKey, FlowShape> shapes;
        const auto pick = [&random](int least, int most) {
            return std::uniform_int_distribution<int>{least, most}(random);
        };
        const Bandwidth uplink = Bandwidth::bits_per_second(pick(1'000'000, 200'000'000));
        for (std::uint32_t to = 1; to < 8; ++to) {
            const auto wanted = Bandwidth::bits_per_second(pick(100'000, 300'000'000));
            shapes[flow(0, to)] = with_uplink(path(std::min(uplink, wanted)), 5, uplink);
        }
        world.paths(shapes);
        Duration now{};
        std::int32_t largest = 0;
        for (int i = 0; i < 2000; ++i) {
            now += Duration{pick(0, 400'000)};
            const std::int32_t bytes = pick(54, 1514);
            world.send(flow(0, static_cast<std::uint32_t>(pick(1, 7))), bytes, now,
                       static_cast<std::uint16_t>(pick(1, 45)));
            if (pick(0, 50) == 0) {
                const auto cap = Bandwidth::bits_per_second(pick(100'000, 400'000'000));
                world.engine.set_cap(flow(0, static_cast<std::uint32_t>(pick(1, 7))), cap, at(now));
            }
        }
        world.run_until(now + 10h);
        for (const auto& one : world.delivered) {
            largest = std::max(largest, static_cast<std::int32_t>(one.bytes));
        }
        // What is being sent when the window opens counts as a whole.
        CHECK(most_in_window(world.delivered, 10ms) <= (uplink * 10ms).bytes() + largest);
        CHECK(world.references() == 0);
    }
}

TEST_CASE("a downlink spreads what several sources send at once") {
    EngineWorld world;
    world.paths({{flow(0, 3), with_downlink(path(10_Mbps, 5ms, 0), 9, 10_Mbps)},
                 {flow(1, 3), with_downlink(path(10_Mbps, 5ms, 1), 9, 10_Mbps)},
                 {flow(2, 3), with_downlink(path(10_Mbps, 5ms, 2), 9, 10_Mbps)}});
    for (std::uint32_t from = 0; from < 3; ++from) world.send(flow(from, 3), 1250, 0ms);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{6ms, 7ms, 8ms});
}

TEST_CASE("a path at its downlink's rate is not delayed by the downlink") {
    EngineWorld world;
    world.paths({{flow(0, 1), with_downlink(path(10_Mbps, 20ms), 9, 10_Mbps)}});
    for (int i = 0; i < 3; ++i) world.send(flow(0, 1), 1250, 0ms);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{21ms, 22ms, 23ms});
}

TEST_CASE("a downlink's queue is bounded") {
    EngineWorld world;
    FlowShape shape = with_downlink(path(Bandwidth::unlimited()), 9, 10_Mbps);
    shape.downlink->queue = 5000_B;
    world.paths({{flow(0, 1), shape}});
    for (int i = 0; i < 10; ++i) world.send(flow(0, 1), 1250, 0ms);
    world.run_until(1s);
    CHECK(world.delivered.size() == 5);  // one passes, four wait
    CHECK(world.counters(flow(0, 1)).queue_drops == 5);
    CHECK(world.references() == 0);
}

TEST_CASE("an uplink's new rate holds for what has not begun to leave") {
    EngineWorld world;
    world.paths({{flow(0, 1), with_uplink(path(10_Mbps), 5, 10_Mbps)}});
    for (int i = 0; i < 4; ++i) world.send(flow(0, 1), 1250, 0ms);
    world.paths({{flow(0, 1), with_uplink(path(5_Mbps), 5, 5_Mbps)}}, 1500us);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{1ms, 2ms, 4ms, 6ms});
}

TEST_CASE("a host that is cut sends and receives nothing until it is connected again") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(10_Mbps, 20ms)},
                 {flow(1, 0), path(10_Mbps, 20ms, 1)},
                 {flow(2, 1), path(10_Mbps, 20ms, 2)}});
    for (int i = 0; i < 4; ++i) {
        world.send(flow(0, 1), 1250, 0ms);
        world.send(flow(1, 0), 1250, 0ms);
        world.send(flow(2, 1), 1250, 0ms);
    }
    world.run_until(2500us);
    world.engine.cut(HostId{0}, at(2500us));
    world.send(flow(0, 1), 1250, 3ms);
    world.run_until(1s);
    std::map<FlowKey, int> arrived;
    for (const auto& one : world.delivered) ++arrived[one.flow];
    // What had departed from it arrives; nothing that was under way to it does.
    CHECK(arrived == std::map<FlowKey, int>{{flow(0, 1), 2}, {flow(2, 1), 4}});
    CHECK(world.counters(flow(0, 1)).unreachable_drops == 3);
    CHECK(world.counters(flow(1, 0)).unreachable_drops == 4);
    CHECK(world.references() == 0);

    world.engine.connect(HostId{0});
    world.send(flow(0, 1), 1250, 2s);
    world.run_until(3s);
    CHECK(world.delivered.back().time() == 2021ms);
}

TEST_CASE("dropping what waits for an uplink lets the others go on") {
    EngineWorld world;
    const FlowShape shape = with_uplink(path(10_Mbps), 5, 10_Mbps);
    world.paths({{flow(0, 1), shape}, {flow(0, 2), shape}, {flow(0, 3), shape}});
    for (int i = 0; i < 10; ++i) {
        for (std::uint32_t to = 1; to < 4; ++to) world.send(flow(0, to), 1250, 0ms);
    }
    world.run_until(3500us);
    world.paths({{flow(0, 3), shape}}, 3500us);
    saturate(world, flow(0, 3), 4ms, 104ms);
    world.run_until(104ms);
    // All but three packets' time of 10 Mbps.
    CHECK(bytes_of(world, flow(0, 3), 4ms, 104ms) >= (10_Mbps * 100ms).bytes() - 4542);
    CHECK(bytes_of(world, flow(0, 1), 4ms, 104ms) == 0);
}
