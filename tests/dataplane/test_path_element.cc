// One path, through the engine, with exact instants. 1250 bytes take 1 ms at 10 Mbps.
#include <cmath>

#include <catch2/catch.hpp>

#include "tests/dataplane/engine_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;

TEST_CASE("a packet leaves when its last bit has been sent, and arrives a latency later") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(10_Mbps, 20ms)}});
    world.send(flow(0, 1), 1250, 5ms);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{26ms});
}

TEST_CASE("packets that arrive together leave one after the other at the path's rate") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(10_Mbps, 20ms)}});
    for (int i = 0; i < 3; ++i) world.send(flow(0, 1), 1250, 0ms);
    world.send(flow(0, 1), 1250, 10ms);  // the path was idle before
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{21ms, 22ms, 23ms, 31ms});
}

TEST_CASE("an unlimited path without latency delivers at once") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(Bandwidth::unlimited())}});
    world.send(flow(0, 1), 1514, 7ms, 40);
    CHECK(world.times() == std::vector<Duration>{7ms});
    CHECK(world.delivered[0].segments == 40);
}

TEST_CASE("that its owner wakes late does not make a path slower") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(10_Mbps)}});
    for (int i = 0; i < 100; ++i) world.send(flow(0, 1), 1250, 0ms);
    for (Duration now = 0ms; now <= 100ms; now += 100us) world.engine.advance(at(now));
    world.engine.advance(at(100ms));
    CHECK(world.counters(flow(0, 1)).packets == 100);
    REQUIRE(world.delivered.size() == 100);
    CHECK(world.delivered.back().time() == 100ms);
}

TEST_CASE("the rate is right to a tenth of a per mille at any speed") {
    for (const std::int64_t bps : {128'000LL, 999'999'937LL, 4'000'000'000LL, 100'000'000'000LL}) {
        EngineWorld world;
        world.paths({{flow(0, 1), path(Bandwidth::bits_per_second(bps))}});
        constexpr int kPackets = 10'000;
        for (int i = 0; i < kPackets; ++i) world.send(flow(0, 1), 1514, 0ms);
        world.run_until(100h);
        const double expected = kPackets * 1514.0 * 8.0 / static_cast<double>(bps);
        const double actual = static_cast<double>(world.delivered.back().when.count()) / 256e9;
        CHECK(actual == Approx(expected).epsilon(1e-4));
        CHECK(actual >= expected);
    }
}

TEST_CASE(
    "each segment takes its overhead's bytes of the path's time, of its queue and of its "
    "counters") {
    constexpr std::int32_t kIp = 1236;
    for (const std::int32_t overhead :
         {Overhead::kNone, Overhead::kEthernet, Overhead::kWire, 100}) {
        INFO("overhead " << overhead);
        const Duration each = (kIp + overhead) * 800ns;
        FlowShape shape = path(10_Mbps);
        shape.path.overhead = Overhead{overhead};
        EngineWorld world;
        world.paths({{flow(0, 1), shape}});
        world.send(flow(0, 1), kIp + Overhead::kEthernet, 0ms);
        world.send(flow(0, 1), kIp + Overhead::kEthernet, 0ms, 3);
        world.run_until(1s);
        CHECK(world.times() == std::vector<Duration>{each, 2 * each, 3 * each, 4 * each});
        CHECK(world.counters(flow(0, 1)).bytes == static_cast<std::uint64_t>(4 * (kIp + overhead)));

        // One is being sent, two wait: they fit to the byte.
        for (const std::int32_t missing : {0, 1}) {
            shape.path.queue = DataSize::bytes(2 * (kIp + overhead) - missing);
            EngineWorld narrow;
            narrow.paths({{flow(0, 1), shape}});
            for (int i = 0; i < 4; ++i) narrow.send(flow(0, 1), kIp + Overhead::kEthernet, 0ms);
            CHECK(narrow.counters(flow(0, 1)).queue_drops ==
                  static_cast<std::uint64_t>(1 + missing));
        }
    }
}

TEST_CASE("a GSO packet leaves in trains of what passes in 250 microseconds") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(100_Mbps)}});
    world.send(flow(0, 1), 625, 0ms, 12);  // each takes 50 us
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{250us, 500us, 600us});
    CHECK(world.delivered[1].first == 5);
    CHECK(world.delivered[1].segments == 5);
    CHECK(world.delivered[2].segments == 2);
    CHECK(world.references() == 0);
}

TEST_CASE("on a slow path every segment is a train of its own") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(1_Mbps)}});
    world.send(flow(0, 1), 1250, 0ms, 3);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{10ms, 20ms, 30ms});
}

TEST_CASE("a new rate holds for packets that have not begun to depart") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(10_Mbps)}});
    for (int i = 0; i < 4; ++i) world.send(flow(0, 1), 1250, 0ms);
    // The second one is under way.
    world.paths({{flow(0, 1), path(1_Mbps)}}, 1500us);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{1ms, 2ms, 12ms, 22ms});
}

TEST_CASE("a waiting GSO packet is cut by the rate at which it leaves, not at which it came") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(1_Gbps)}});
    world.send(flow(0, 1), 1250, 0ms, 20);  // 200 us
    world.send(flow(0, 1), 1250, 0ms, 3);
    world.paths({{flow(0, 1), path(10_Mbps)}}, 100us);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{200us, 1200us, 2200us, 3200us});
}

TEST_CASE("a cap is the rate when it is below the path's bandwidth") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(10_Mbps)}});
    world.engine.set_cap(flow(0, 1), 5_Mbps, at(0ms));  // before the flow exists
    for (int i = 0; i < 3; ++i) world.send(flow(0, 1), 1250, 0ms);
    world.run_until(3ms);
    world.engine.set_cap(flow(0, 1), 20_Mbps, at(3ms));
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{2ms, 4ms, 5ms});
}

TEST_CASE("a new latency holds for packets that enter afterwards, and order is kept") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(Bandwidth::unlimited(), 50ms)}});
    world.send(flow(0, 1), 100, 0ms);
    world.paths({{flow(0, 1), path(Bandwidth::unlimited(), 10ms)}}, 1ms);
    world.send(flow(0, 1), 100, 2ms);
    world.send(flow(0, 1), 100, 60ms);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{50ms, 50ms, 70ms});
}

TEST_CASE("when a path is cut, what waits is dropped and what departed arrives") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(10_Mbps, 20ms)}});
    for (int i = 0; i < 5; ++i) world.send(flow(0, 1), 1250, 0ms);
    world.paths({}, 2500us);
    world.send(flow(0, 1), 1250, 3ms);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{21ms, 22ms});
    CHECK(world.counters(flow(0, 1)).unreachable_drops == 4);
    CHECK(world.counters(flow(0, 1)).queued_bytes == 0);
    CHECK(world.references() == 0);

    world.paths({{flow(0, 1), path(10_Mbps, 20ms)}}, 2s);
    world.send(flow(0, 1), 1250, 2s);
    world.run_until(3s);
    CHECK(world.delivered.back().time() == 2021ms);
}

TEST_CASE("the queue's limit holds for waiting bytes: the last packets to come are dropped") {
    EngineWorld world;
    FlowShape shape = path(10_Mbps);
    shape.path.queue = 3000_B;
    world.paths({{flow(0, 1), shape}});
    for (int i = 0; i < 5; ++i) world.send(flow(0, 1), 1250, 0ms);
    // One is being sent, two wait (2500 bytes), two were dropped.
    CHECK(world.counters(flow(0, 1)).queued_bytes == 3750);
    CHECK(world.counters(flow(0, 1)).queue_drops == 2);
    world.send(flow(0, 1), 1250, 1ms);  // one has left: there is room again
    world.run_until(1s);
    CHECK(world.delivered.size() == 4);
    CHECK(world.references() == 0);
}

TEST_CASE("of a GSO packet the segments that find room are taken") {
    EngineWorld world;
    FlowShape shape = path(10_Mbps);
    shape.path.queue = 5000_B;
    world.paths({{flow(0, 1), shape}});
    world.send(flow(0, 1), 1250, 0ms, 40);
    world.run_until(1s);
    CHECK(world.delivered.size() == 5);  // the one that began at once, and four
    CHECK(world.counters(flow(0, 1)).queue_drops == 35);
    CHECK(world.references() == 0);
}

TEST_CASE("counters tell departed bytes, segments and the time in which a packet waited") {
    EngineWorld world;
    FlowShape shape = path(10_Mbps, 100ms);
    shape.path.loss = Probability::of(1.0);
    world.paths({{flow(0, 1), shape}});
    world.send(flow(0, 1), 1250, 0ms);
    const FlowCounters& counters = world.counters(flow(0, 1));
    CHECK(counters.bytes == 0);
    CHECK(counters.waiting_since_ns == 0);  // its own serialisation is no waiting
    world.send(flow(0, 1), 1250, 400us);
    CHECK(counters.waiting_since_ns == (at(400us).time_since_epoch()).count() / 256);
    world.run_until(1500us);
    CHECK(counters.waiting_since_ns == 0);
    CHECK(counters.waited_ns == 600'000);
    CHECK(counters.queued_bytes == 1250);
    world.run_until(1s);
    CHECK(counters.bytes == 2500);  // what is lost was sent before
    CHECK(counters.packets == 2);
    CHECK(counters.loss_drops == 2);
    CHECK(counters.queued_bytes == 0);
    CHECK(world.delivered.empty());
}

TEST_CASE("a flow is reported with its first packet, and again after 100 ms of silence") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(10_Mbps)}});
    for (const Duration when : {0ms, 99ms, 198ms, 298ms, 300ms}) world.send(flow(0, 1), 100, when);
    world.send(flow(1, 0), 100, 301ms);
    CHECK(world.started == std::vector<std::pair<FlowKey, Duration>>{
                               {flow(0, 1), 0ms}, {flow(0, 1), 298ms}, {flow(1, 0), 301ms}});
}

TEST_CASE("jitter never makes a delay negative or changes the order") {
    for (const auto distribution :
         {JitterDistribution::normal, JitterDistribution::uniform, JitterDistribution::pareto}) {
        EngineWorld world;
        FlowShape shape = path(Bandwidth::unlimited(), 1ms);
        shape.path.jitter = 10ms;
        shape.path.distribution = distribution;
        world.paths({{flow(0, 1), shape}});
        for (int i = 0; i < 2000; ++i) world.send(flow(0, 1), 100, i * 1ms);
        world.run_until(1h);
        REQUIRE(world.delivered.size() == 2000);
        Ticks last{};
        for (std::uint32_t i = 0; i < 2000; ++i) {
            CHECK(world.delivered[i].packet == i);
            CHECK(world.delivered[i].when >= std::max(last, Ticks{i * 1ms}));
            last = world.delivered[i].when;
        }
    }
}

TEST_CASE("a duplicated packet arrives twice, a reordered one overtakes") {
    EngineWorld world;
    FlowShape shape = path(Bandwidth::unlimited(), 10ms);
    shape.path.duplicate = Probability::of(1.0);
    world.paths({{flow(0, 1), shape}});
    world.send(flow(0, 1), 100, 0ms);
    shape.path.duplicate = {};
    shape.path.reorder = Probability::of(1.0);
    world.paths({{flow(0, 1), shape}}, 1ms);
    world.send(flow(0, 1), 100, 2ms);
    world.run_until(1s);
    CHECK(world.times() == std::vector<Duration>{2ms, 10ms, 10ms});
    CHECK(world.references() == 0);
}

TEST_CASE("segments of one GSO packet are lost one by one, and the others go on together") {
    EngineWorld world;
    FlowShape shape = path(Bandwidth::unlimited());
    shape.path.loss = Probability::of(0.1);
    world.paths({{flow(0, 1), shape}});
    for (int i = 0; i < 1000; ++i) world.send(flow(0, 1), 1500, i * 1ms, 40);
    world.run_until(2s);
    int arrived = 0;
    for (const auto& one : world.delivered) arrived += one.segments;
    const int lost = static_cast<int>(world.counters(flow(0, 1)).loss_drops);
    CHECK(arrived + lost == 40'000);
    CHECK(std::abs(lost - 4000) < 240);  // four standard deviations
    CHECK(world.delivered.size() < 8000);
    CHECK(world.references() == 0);
}

namespace {

// When each segment was delivered, in the order of their counts: as one packet after the
// other, or as GSO packets that stand for the same.
std::vector<Ticks> segment_times(const FlowShape& shape, int packets, std::uint16_t segments) {
    EngineWorld world;
    world.paths({{flow(0, 1), shape}});
    for (int i = 0; i < packets; ++i) {
        for (int each = segments == 1 ? 20 : 1; each > 0; --each) {
            world.send(flow(0, 1), 1250, i * 7ms, segments);
        }
    }
    world.run_until(1h);
    CHECK(world.references() == 0);
    std::vector<Ticks> times;
    for (const auto& one : world.delivered) times.insert(times.end(), one.segments, one.when);
    return times;
}

}  // namespace

TEST_CASE("each segment of a GSO packet has the jitter of a packet of its own") {
    for (const Bandwidth rate : {Bandwidth::unlimited(), 100_Mbps, 4_Gbps}) {
        for (const auto distribution : {JitterDistribution::normal, JitterDistribution::uniform,
                                        JitterDistribution::pareto}) {
            FlowShape shape = path(rate, 50ms);
            shape.path.jitter = 5ms;
            shape.path.distribution = distribution;
            const std::vector<Ticks> together = segment_times(shape, 200, 20);
            CHECK(together == segment_times(shape, 200, 1));

            // What the definition says of each segment by its count.
            const DrawStream draws{1, flow(0, 1), 17};
            std::vector<Ticks> expected;
            Ticks last{};
            for (std::uint64_t count = 0; count < 4000; ++count) {
                const Ticks sent =
                    Ticks{7ms} * static_cast<std::int64_t>(count / 20) +
                    transmission_time(1250, rate) * static_cast<std::int64_t>(count % 20 + 1);
                const Duration delay =
                    50ms + Duration{std::llround(5e6 * draws.jitter(distribution, count))};
                last = std::max(last, sent + Ticks{std::max(delay, Duration::zero())});
                expected.push_back(last);
            }
            CHECK(together == expected);
        }
    }
}

TEST_CASE("the first segments of GSO packets are spread as the jitter says") {
    // Far enough apart that none waits for the one before.
    FlowShape shape = path(Bandwidth::unlimited(), 50ms);
    shape.path.jitter = 5ms;
    shape.path.distribution = JitterDistribution::uniform;
    EngineWorld world;
    world.paths({{flow(0, 1), shape}});
    constexpr std::size_t kPackets = 4000;
    for (std::size_t i = 0; i < kPackets; ++i) {
        world.send(flow(0, 1), 1250, static_cast<int>(i) * 20ms, 2);
    }
    world.run_until(1h);
    double first_sum = 0;
    double gap_sum = 0;
    REQUIRE(world.delivered.size() == 2 * kPackets);
    for (std::size_t i = 0; i < kPackets; ++i) {
        const Ticks sent{static_cast<std::int64_t>(i) * 20ms};
        const Ticks first = world.delivered[2 * i].when - sent;
        const Ticks gap = world.delivered[2 * i + 1].when - sent - first;
        first_sum += static_cast<double>(first.count()) / 256e6;
        gap_sum += static_cast<double>(gap.count()) / 256e6;
    }
    // Of two even draws in -5..5 ms the second is later than the first by 5/3 ms on
    // average, for it waits when it is earlier. Four standard deviations.
    CHECK(first_sum / double{kPackets} ==
          Approx(50.0).margin(4 * 5 / std::sqrt(3.0 * double{kPackets})));
    CHECK(gap_sum / double{kPackets} ==
          Approx(5.0 / 3).margin(4 * 2.4 / std::sqrt(double{kPackets})));
}

TEST_CASE("a GSO packet that jitter cuts up is let into the queue as single packets are") {
    FlowShape shape = path(1_Gbps, 1ms);
    shape.path.jitter = 100us;
    shape.path.queue = 10'000_B;
    CHECK(segment_times(shape, 1, 20).size() == 9);  // one begins, eight wait
    CHECK(segment_times(shape, 1, 1).size() == 9);
}
