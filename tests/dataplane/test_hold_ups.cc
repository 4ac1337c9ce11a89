// A thread that is held up, and what receivers see of it. 1250 bytes take 0.1 ms at 100 Mbps.
#include <cmath>
#include <random>

#include <catch2/catch.hpp>

#include "tests/dataplane/engine_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;

namespace {

struct HoldUp {
    Duration from;
    Duration to;
};

// When a thread that is to wake then does.
FineInstant awake(const std::vector<HoldUp>& hold_ups, FineInstant now) {
    for (const HoldUp& one : hold_ups) {
        if (now > at(one.from) && now < at(one.to)) return at(one.to);
    }
    return now;
}

// Lets happen what is due until then: on time, but for hold-ups.
void run(EngineWorld& world, const std::vector<HoldUp>& hold_ups, Duration until) {
    while (const auto next = world.engine.next()) {
        const FineInstant now = awake(hold_ups, *next);
        if (now > at(until)) break;
        world.wake(now);
    }
    world.wake(at(until));
}

Ticks lateness(const EngineWorld::Delivery& one) {
    return one.handed - one.when;
}

// The most bytes that were handed over in any window of this length, latencies taken off.
std::int64_t most_handed_over(const std::vector<EngineWorld::Delivery>& all,
                              const std::map<FlowKey, FlowShape>& shapes, Duration window) {
    std::vector<std::pair<Ticks, std::int64_t>> seen;
    seen.reserve(all.size());
    for (const auto& one : all) {
        seen.emplace_back(one.handed - shapes.at(one.flow).path.latency, one.bytes);
    }
    std::ranges::sort(seen);
    std::int64_t most = 0;
    std::int64_t inside = 0;
    std::size_t first = 0;
    for (const auto& [when, bytes] : seen) {
        inside += bytes;
        while (when - seen[first].first > Ticks{window}) inside -= seen[first++].second;
        most = std::max(most, inside);
    }
    return most;
}

}  // namespace

TEST_CASE(
    "a network stands still while its machine is held up, and makes good what it did not send") {
    EngineWorld world;
    const std::map<FlowKey, FlowShape> shapes{{flow(0, 1), path(100_Mbps, 10ms)}};
    world.paths(shapes);
    constexpr int kPackets = 10'000;  // a second
    for (int i = 0; i < kPackets; ++i) world.send(flow(0, 1), 1250, 0ms);
    run(world, {{50ms, 55ms}}, 2s);

    REQUIRE(world.delivered.size() == kPackets);
    // 125,000 bytes; all at once it would be 175,000 and more. 100 us are no hold-up.
    CHECK(most_handed_over(world.delivered, shapes, 10ms) <= 125'000 * 130 / 128 + 1250 + 1250);
    // What was on its way is later by the hold-up, once, and nothing else is late.
    std::int64_t held_up = 0;
    std::int64_t punctual = 0;
    for (const auto& one : world.delivered) {
        if (lateness(one) >= Ticks{4600us} && lateness(one) <= Ticks{4900us}) ++held_up;
        if (lateness(one) >= Ticks::zero() && lateness(one) <= Ticks{1ns}) ++punctual;
    }
    CHECK(held_up == 100);
    CHECK(punctual == kPackets - 100);
    // All is made good 128 times the hold-up later: half of it after half of that.
    const auto behind = [&world](std::size_t i) {
        return world.delivered[i].handed - Ticks{10ms + (i + 1) * 100us};
    };
    CHECK(behind(600) > 4600us);
    CHECK(behind(600 + 3000) > 2200us);
    CHECK(behind(600 + 3000) < 2400us);
    CHECK(behind(6800) < 10us);
    CHECK(behind(kPackets - 1) < 10us);
    CHECK(behind(kPackets - 1) > -200us);  // the train that paid the last of it
}

TEST_CASE("a hold-up makes no packet late that was not on its way") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(100_Mbps, 10ms, 1)}, {flow(0, 2), path(100_Mbps, 10ms, 2)}});
    for (int i = 0; i < 200; ++i) world.send(flow(0, 1), 1250, 0ms);  // due from 10 to 30 ms
    run(world, {{15ms, 18ms}}, 20ms);
    world.send(flow(0, 2), 1250, 20ms);
    run(world, {}, 50ms);
    REQUIRE(world.delivered.size() == 201);
    const auto other = std::ranges::find(world.delivered, flow(0, 2), &EngineWorld::Delivery::flow);
    CHECK(lateness(*other) <= Ticks{1ns});
    CHECK(other->handed >= Ticks{30ms + 99us});
    CHECK(other->handed <= Ticks{30ms + 100us});
    // Nothing was due: nothing was held up.
    EngineWorld quiet;
    quiet.paths({{flow(0, 1), path(100_Mbps, 10ms)}});
    quiet.send(flow(0, 1), 1250, 0ms);
    run(quiet, {{1ms, 9ms}}, 50ms);
    CHECK(quiet.delivered.front().handed == Ticks{10ms + 100us});
}

TEST_CASE("what is told from outside and to it is in the machine's time, after a hold-up, too") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(10_Mbps, 10ms)}, {flow(0, 2), path(10_Mbps)}});
    world.send(flow(0, 1), 1250, 0ms);
    run(world, {{10ms, 40ms}}, 100ms);
    REQUIRE(world.delivered.size() == 1);
    CHECK(world.delivered.front().when == Ticks{11ms});
    CHECK(world.delivered.front().handed == Ticks{40ms});
    world.send(flow(0, 2), 1250, 100ms);
    CHECK(world.started.back().second == 100ms);
    CHECK(world.counters(flow(0, 2)).last_arrival_ns ==
          std::chrono::floor<Duration>(at(100ms)).time_since_epoch().count());
    REQUIRE(world.engine.next());
    CHECK(*world.engine.next() > at(100ms + 960us));  // it makes good
    CHECK(*world.engine.next() <= at(101ms));
    // A packet of another machine's host, which no link delays.
    world.hold_for_entry(1);
    world.engine.enter(flow(0, 2), {.packet = 1, .segment_bytes = 100, .tail_bytes = 100},
                       at(100ms + 500us));
    CHECK(world.delivered.back().when == Ticks{100ms + 500us});
}

TEST_CASE("latencies don't grow by the part of its time that a machine loses") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(100_Mbps, 0s, 1)}, {flow(0, 2), path(1_Gbps, 100ms, 2)}});
    for (int i = 0; i < 50'000; ++i) world.send(flow(0, 1), 1250, 0ms);
    std::vector<HoldUp> hold_ups;  // 2 % of the time
    for (Duration now = 50ms; now < 6s; now += 50ms) hold_ups.push_back({now, now + 1ms});
    for (Duration now = 3s + 5ms; now < 4s; now += 10ms) {
        run(world, hold_ups, now);
        world.send(flow(0, 2), 1250, now);
    }
    run(world, hold_ups, 10s);
    std::vector<Ticks> late;
    for (const auto& one : world.delivered) {
        CHECK(lateness(one) >= Ticks::zero());
        if (one.flow == flow(0, 2)) late.push_back(lateness(one));
    }
    REQUIRE(late.size() == 100);
    std::ranges::sort(late);
    // Those that are due in a hold-up, two in ten, are late by what is left of it.
    CHECK(late.back() <= 1ms);
    CHECK(late[75] == Ticks::zero());
}

TEST_CASE("of a machine that was away for long only 100 ms are made good") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(100_Mbps)}});
    constexpr int kPackets = 100'000;  // ten seconds
    for (int i = 0; i < kPackets; ++i) world.send(flow(0, 1), 1250, 0ms);
    run(world, {{100ms, 2100ms}}, 2100ms);
    CHECK(world.delivered.size() >= 1000);
    CHECK(world.delivered.size() <= 1003);
    run(world, {}, 20s);
    REQUIRE(world.delivered.size() == kPackets);
    CHECK(world.delivered.back().handed > Ticks{10s + 1899ms});
    CHECK(world.delivered.back().handed < Ticks{10s + 1901ms});
}

TEST_CASE("a thread that wakes late as a rule does at once what is due, and rates stay exact") {
    EngineWorld world;
    world.paths({{flow(0, 1), path(100_Mbps)}});
    for (int i = 0; i < 100'000; ++i) world.send(flow(0, 1), 1250, 0ms);
    for (Duration now{}; now <= 10s; now += 1ms) world.wake(at(now));
    // It has learnt that 1 ms is usual.
    CHECK(world.delivered.size() > 99'900);
    for (auto one = world.delivered.end() - 10'000; one != world.delivered.end(); ++one) {
        CHECK(lateness(*one) <= 1ms);
    }
}

TEST_CASE("a link of any rate makes good what it lost, where hold-ups are frequent") {
    for (const Bandwidth rate : {1_Mbps, 100_Mbps, 4_Gbps}) {
        EngineWorld world;
        const std::int64_t bytes = (rate * Duration{10s}).bytes();
        FlowShape shape = path(rate);
        shape.path.queue = DataSize::bytes(2 * bytes);
        world.paths({{flow(0, 1), shape}});
        std::vector<HoldUp> hold_ups;  // 2 % of the time
        for (Duration now = 500ms; now < 5s; now += 50ms) hold_ups.push_back({now, now + 1ms});
        for (std::int64_t i = 0; i < bytes / 1250; i += 10) {
            world.send(flow(0, 1), 1250, 0ms, 10);
        }
        run(world, hold_ups, 20s);
        INFO(rate.bits_per_second());
        CHECK(world.references() == 0);
        CHECK(world.delivered.back().handed > Ticks{10s - 10ms});
        CHECK(world.delivered.back().handed < Ticks{10s + 1ms});
    }
}

TEST_CASE("receivers see an uplink exceeded in no window of 10 ms, however the thread is held up") {
    std::mt19937_64 random{11};
    const auto pick = [&random](std::int64_t least, std::int64_t most) {
        return std::uniform_int_distribution<std::int64_t>{least, most}(random);
    };
    for (int round = 0; round < 20; ++round) {
        EngineWorld world{8};
        const auto uplink = Bandwidth::bits_per_second(pick(10'000'000, 200'000'000));
        std::map<FlowKey, FlowShape> shapes;
        std::int64_t left = uplink.bits_per_second();
        for (std::uint32_t to = 1; to < 8; ++to) {
            FlowShape shape = path(uplink, Duration{pick(0, 100'000'000)});
            shape.uplink = AccessShape{.link = LinkId{5}, .bandwidth = uplink};
            shapes[flow(0, to)] = shape;
        }
        world.paths(shapes);
        // Shares that add up to the uplink.
        for (std::uint32_t to = 1; to < 8; ++to) {
            const std::int64_t share = to == 7 ? left : pick(left / 10, left / 3);
            world.engine.set_cap(flow(0, to), Bandwidth::bits_per_second(share), at(0s));
            left -= share;
        }
        std::vector<HoldUp> hold_ups;
        for (Duration now{}; now < 2s;) {
            now += Duration{pick(100'000'000, 400'000'000)};
            const Duration end = now + Duration{pick(0, 6'000'000)};
            hold_ups.push_back({now, end});
            now = end;
        }
        // Some always want more than their share, some seldom anything.
        Duration now{};
        while (now < 2s) {
            now += Duration{pick(0, 2'000'000)};
            now = std::chrono::ceil<Duration>(awake(hold_ups, at(now)) - at(0s));
            run(world, hold_ups, now);
            const auto to = static_cast<std::uint32_t>(pick(1, 7));
            world.send(flow(0, to), static_cast<std::int32_t>(pick(54, 1514)), now,
                       static_cast<std::uint16_t>(pick(1, 45)));
        }
        run(world, hold_ups, now + 100s);
        CHECK(world.references() == 0);
        std::int64_t largest = 0;
        std::map<FlowKey, Ticks> latest;
        for (const auto& one : world.delivered) {
            largest = std::max(largest, one.bytes);
            CHECK(one.handed >= one.when);
            CHECK(one.handed >= latest[one.flow]);
            latest[one.flow] = one.handed;
        }
        // Made good by links within a second, or by 1/128 of the rate where that is more; by
        // what is on its way by as much; twice what is no hold-up, 100 us, at once; of each path
        // the train as a whole that is being sent when the window opens.
        using Seconds = std::chrono::duration<double>;
        double share = 1.0 / 128;  // the largest
        double now_share = share;
        Seconds owed{};
        Duration before{};
        for (const HoldUp& one : hold_ups) {
            owed = std::max(owed - now_share * Seconds{one.from - before}, Seconds{});
            owed += one.to - one.from;
            now_share = std::max(1.0 / 128, owed / 1s);
            share = std::max(share, now_share);
            before = one.to;
        }
        REQUIRE(share < 1.0 / 16);
        const auto window = Duration{std::llround(1e7 * (1 + share) * 128 / 127)} + 200us;
        CHECK(most_handed_over(world.delivered, shapes, 10ms) <=
              (uplink * window).bytes() + 7 * largest);
        // If all happened at once it would be far above.
        CHECK(std::ranges::any_of(world.delivered,
                                  [](const auto& one) { return lateness(one) > 3ms; }));
    }
}
