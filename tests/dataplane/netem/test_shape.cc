// What HTB and netem are told, at the limits of what they take.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <catch2/catch.hpp>

#include "model/draw.hh"
#include "node/dataplane/netem/jitter_tables.hh"
#include "node/dataplane/netem/shape.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace std::chrono_literals;

TEST_CASE("a rate is rounded down to bytes, is never zero, and unlimited is a terabit") {
    CHECK(htb_rate(128_kbps) == 16'000);
    CHECK(htb_rate(15_bps) == 1);
    CHECK(htb_rate(1_bps) == 1);
    CHECK(htb_rate(40_Gbps) == 5'000'000'000);  // beyond 32 bits
    CHECK(htb_rate(Bandwidth::unlimited()) == 125'000'000'000);
    CHECK(htb_rate(2'000'000_Gbps) == 125'000'000'000);
}

TEST_CASE("a burst is 2 ms of the rate") {
    CHECK(htb_burst(1_bps) == 1);
    CHECK(htb_burst(128_kbps) == 32);
    CHECK(htb_burst(10_Mbps) == 2500);
    CHECK(htb_burst(1_Gbps) == 250'000);
    CHECK(htb_burst(Bandwidth::unlimited()) == 250'000'000);  // libnl wants an int
}

TEST_CASE("a turn lasts 1 ms of the shared rate, between one packet and the longest one") {
    CHECK(htb_quantum(1_Mbps) == 1514);
    CHECK(htb_quantum(100_Mbps) == 12'500);
    CHECK(htb_quantum(Bandwidth::unlimited()) == 65'536);
}

TEST_CASE("a chance is of 2^32; certain and never are exact") {
    CHECK(netem_chance(Probability{}) == 0);
    CHECK(netem_chance(Probability::of(1.0)) == kAlways);
    CHECK(netem_chance(Probability::of(1e-12)) == 1);
    CHECK(netem_chance(Probability::of(0.5)) == 0x8000'0000);
    CHECK(netem_chance(Probability::of(1.0 - 1e-12)) == kAlways);
    CHECK(netem_chance(Probability::of(0.01)) == 42'949'673);
}

TEST_CASE("netem holds what is on its way and what waits, were all packets short") {
    // 100 Mbit/s x 50 ms = 625,000 bytes on the way.
    CHECK(netem_limit(100_Mbps, 50ms, 0ms, 250'000_B) == 8750);
    CHECK(netem_limit(128_kbps, 1ms, 0ms, 15'140_B) == 1000);
    CHECK(netem_limit(Bandwidth::unlimited(), 10s, 0ms,
                      DataSize::bytes(std::numeric_limits<std::int64_t>::max())) == 1'000'000);
    CHECK(netem_limit(100_Mbps, 50ms, 10ms, 250'000_B) == 13'750);
}

TEST_CASE("a queue without limit is the largest that the kernel takes") {
    CHECK(queue_limit(DataSize::bytes(std::numeric_limits<std::int64_t>::max())) == 0x7fff'ffff);
    CHECK(queue_limit(0_B) == 1514);
    CHECK(queue_limit(25'000_B) == 25'000);
}

TEST_CASE("a destination runs at the lesser of bandwidth and cap, behind its uplink") {
    const PathShape path{.bandwidth = 50_Mbps, .queue = 100'000_B, .latency = 1234567ns};
    const DestinationShape free = destination_shape(path, Bandwidth::unlimited(), 100_Mbps);
    CHECK(free.clock.ceil_bytes_per_sec == 6'250'000);
    CHECK(free.clock.quantum_bytes == 12'500);
    CHECK(free.netem.delay == 1234567ns);
    CHECK(free.queue_bytes == 100'000);
    const DestinationShape capped = destination_shape(path, 8_Mbps, 100_Mbps);
    CHECK(capped.clock.ceil_bytes_per_sec == 1'000'000);
    CHECK(capped.netem == free.netem);  // a cap changes the clock alone
    CHECK(capped.queue_bytes == free.queue_bytes);
}

TEST_CASE("the kernel's count has the layer-2 header, the wire's overhead is added") {
    CHECK(class_shape(1_Mbps, 1_Mbps, Overhead{Overhead::kEthernet}).overhead_bytes == 0);
    CHECK(class_shape(1_Mbps, 1_Mbps, Overhead{Overhead::kWire}).overhead_bytes == 24);
    CHECK(class_shape(1_Mbps, 1_Mbps, Overhead{Overhead::kNone}).overhead_bytes == 0);
}

TEST_CASE("burst loss is told as chances to pass when bad and to be lost when good") {
    PathShape path;
    path.burst_loss = GilbertElliott{Probability::of(0.25), Probability::of(0.5),
                                     Probability::of(0.125), Probability::of(1.0)};
    const auto burst =
        destination_shape(path, Bandwidth::unlimited(), Bandwidth::unlimited()).netem.burst_loss;
    REQUIRE(burst);
    CHECK(burst->p == 0x4000'0000);
    CHECK(burst->r == 0x8000'0000);
    CHECK(burst->h == 0x2000'0000);
    CHECK(burst->k1 == 0);
}

TEST_CASE(
    "packets with fates of their own are not sent as one; others fill a quarter of the queue") {
    PathShape path{.bandwidth = 10_Mbps, .queue = 60'560_B};
    CHECK(segments_at_once(path) == 10);
    path.loss = Probability::of(0.01);
    CHECK(segments_at_once(path) == 1);
    path.loss = Probability{};
    path.queue = 1'000'000_B;
    CHECK(segments_at_once(path) == std::nullopt);
    path.queue = 1514_B;
    CHECK(segments_at_once(path) == 1);
}

// The oracle is another implementation: the draws of model/draw.cc.
TEST_CASE("tables of jitter are the distributions that the model draws") {
    for (const auto distribution :
         {JitterDistribution::normal, JitterDistribution::uniform, JitterDistribution::pareto}) {
        const JitterTable table = jitter_table(distribution);
        CHECK(std::ranges::is_sorted(table.values));
        std::vector<double> values;
        for (const std::int16_t value : table.values) {
            values.push_back(value / 8192.0 * table.multiple);
        }
        const double mean =
            std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
        CHECK(mean == Approx(0.0).margin(0.003));
        const DrawStream draws{7, FlowKey{HostId{1}, HostId{2}}, 17};
        constexpr std::size_t kDraws = 200'000;
        std::vector<double> drawn;
        drawn.reserve(kDraws);
        for (std::size_t i = 0; i < kDraws; ++i) drawn.push_back(draws.jitter(distribution, i));
        std::ranges::sort(drawn);
        // Kolmogorov-Smirnov; 1.63/sqrt(n) is its 1 % limit.
        double distance = 0.0;
        for (std::size_t i = 0; i < kDraws; i += 50) {
            const auto below = std::ranges::upper_bound(values, drawn[i]) - values.begin();
            const double table_share =
                static_cast<double>(below) / static_cast<double>(values.size());
            const double drawn_share = static_cast<double>(i) / kDraws;
            distance = std::max(distance, std::abs(table_share - drawn_share));
        }
        CHECK(distance < 1.63 / std::sqrt(static_cast<double>(kDraws)) + 1.0 / 1638.0);
    }
}
