// A host's own link in the kernel: its calendar at work. The calendar itself is tested
// without a kernel in test_uplink_calendar.cc.
#include <random>

#include <catch2/catch.hpp>

#include "tests/bpf/edt_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;

namespace {

// Paths of source 0 to the hosts 1, 2, 3 over one uplink.
struct UplinkWorld {
    UplinkWorld(Bandwidth uplink, std::vector<Bandwidth> rates) {
        world.object().uplinks(0)[1] = {
            .time_per_byte = time_per_byte(uplink), .overhead = 14, .pad = {}};
        for (std::uint32_t i = 0; i < rates.size(); ++i) {
            edt_path& path = world.path(0, i + 1) = row();
            path.time_per_byte = time_per_byte(rates[i]);
            path.uplink = 1;
        }
    }

    EdtWorld::Sent send(std::uint32_t destination, Duration when, std::uint32_t bytes = 1250) {
        return world.send({.destination = destination, .bytes = bytes}, when);
    }

    EdtWorld world;
};

}  // namespace

TEST_CASE("edt: a path as fast as its uplink is not delayed by it at all") {
    NEEDS_BPF();
    for (const Bandwidth rate : {128_kbps, 10_Mbps, 77_Mbps, 1_Gbps, 100_Gbps}) {
        UplinkWorld with{rate, {rate}};
        UplinkWorld without{Bandwidth::unlimited(), {rate}};
        std::mt19937 random{5};
        Duration when{};
        int delayed = 0;
        for (int i = 0; i < 2000; ++i) {
            // Half of the rate on average, in bursts.
            const auto bytes = static_cast<std::uint32_t>(60 + random() % 1400);
            if (random() % 20 == 0) when += 30 * (DataSize::bytes(1538) / rate);
            const auto one = with.send(1, when, bytes);
            const auto other = without.send(1, when, bytes);
            delayed += one.delivery == other.delivery ? 0 : 1;
        }
        INFO("at " << rate.bits_per_second() << " bps");
        CHECK(delayed == 0);
    }
}

TEST_CASE("edt: a backlog of one path does not delay another path's packets now") {
    NEEDS_BPF();
    UplinkWorld world{100_Mbps, {50_Mbps, 50_Mbps}};
    Duration backlog{};
    for (int i = 0; i < 500; ++i) backlog = world.send(1, 0ms).delivery;
    CHECK(backlog == 100ms);
    for (int i = 0; i < 50; ++i) {
        const Duration when = i * 2ms;
        CHECK(world.send(2, when).delivery == when + 200us);
    }
}

TEST_CASE("edt: two paths that ask for twice the uplink get it whole, and no more") {
    NEEDS_BPF();
    UplinkWorld world{100_Mbps, {100_Mbps, 100_Mbps}};
    for (const std::uint32_t destination : {1U, 2U}) {
        world.world.path(0, destination).queue_bytes = 250'000;  // 20 ms
    }
    std::vector<Duration> departures;
    for (Duration when = 0ms; when < 1s; when += 100us) {
        for (const std::uint32_t destination : {1U, 2U}) {
            const auto sent = world.send(destination, when);
            if (sent.passed()) departures.push_back(sent.delivery);
        }
    }
    std::sort(departures.begin(), departures.end());
    // In no interval more than its time, two buckets (2^19 ns) and two packets (100 us each).
    const Duration slack = 1'048'576ns + 200us;
    for (std::size_t step : {1UL, 5UL, 20UL, 100UL, 1000UL}) {
        for (std::size_t i = step; i < departures.size(); ++i) {
            const Duration interval = departures[i] - departures[i - step];
            if (static_cast<std::int64_t>(step) * 100us > interval + slack) FAIL("exceeded");
        }
    }
    const auto in_time =
        std::count_if(departures.begin(), departures.end(), [](Duration at) { return at <= 1s; });
    CHECK(in_time == Approx(10'000).epsilon(0.01));
}

TEST_CASE("edt: two paths that fit in the uplink keep their rates") {
    NEEDS_BPF();
    UplinkWorld world{100_Mbps, {60_Mbps, 40_Mbps}};
    std::array<Duration, 2> last{};
    // Each always has something waiting.
    std::array<int, 2> sent{};
    for (Duration when = 0ms; when < 2s; when += 500us) {
        for (std::uint32_t i = 0; i < 2; ++i) {
            while (last[i] < when + 5ms) {
                last[i] = world.send(i + 1, when).delivery;
                ++sent[i];
            }
        }
    }
    CHECK(sent[0] * 1250 * 8 / std::chrono::duration<double>(last[0]).count() ==
          Approx(60e6).epsilon(0.003));
    CHECK(sent[1] * 1250 * 8 / std::chrono::duration<double>(last[1]).count() ==
          Approx(40e6).epsilon(0.003));
}

TEST_CASE("edt: an uplink without room drops, like a queue") {
    NEEDS_BPF();
    UplinkWorld world{100_Mbps, {100_Mbps}};
    // The ring is 1984 buckets of 2^19 ns long.
    int passed = 0;
    for (int i = 0; i < 12'000; ++i) passed += world.send(1, 0ms).passed() ? 1 : 0;
    CHECK(passed > 10'000);
    CHECK(passed < 10'500);
    CHECK(world.world.counters(0, 1).queue_drops == static_cast<std::uint64_t>(12'000 - passed));
    CHECK(world.send(1, 500ms).passed());
}

TEST_CASE("edt: a new rate of the uplink holds for packets that come afterwards") {
    NEEDS_BPF();
    UplinkWorld world{100_Mbps, {100_Mbps}};
    CHECK(world.send(1, 0ms).delivery == 100us);
    world.world.object().uplinks(0)[1].time_per_byte = time_per_byte(10_Mbps);
    // The path's own clock is 100 Mbps still: it is the uplink that makes it slow.
    Duration last{};
    for (int i = 0; i < 100; ++i) last = world.send(1, 1s).delivery;
    CHECK(last > 1s + 90ms);
    CHECK(last < 1s + 101ms);
    world.world.object().uplinks(0)[1].time_per_byte = 0;
    CHECK(world.send(1, 2s).delivery == 2s + 100us);
}
