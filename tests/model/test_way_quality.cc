// What the times and sizes of packets say of the way that they took.
#include <algorithm>
#include <limits>
#include <random>

#include <catch2/catch.hpp>

#include "model/way_quality.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace std::chrono_literals;

namespace {

// Oracle: a link behind a token bucket, packet by packet. What comes out of `offered` bytes that
// are sent at once.
std::vector<BurstPiece> through(Bandwidth rate, DataSize bucket, DataSize packet, DataSize offered,
                                Duration origin) {
    std::vector<BurstPiece> out;
    DataSize sent = 0_B;
    while (sent < offered) {
        sent += packet;
        const Duration due = sent <= bucket ? Duration{0} : (sent - bucket) / rate;
        out.push_back({.at = origin + due, .size = packet});
    }
    return out;
}

}  // namespace

TEST_CASE("round trips: the least and the median of what was measured") {
    CHECK_FALSE(round_trips_of({}));
    CHECK(round_trips_of({7ms}) == RoundTrips{7ms, 7ms});
    CHECK(round_trips_of({9ms, 2ms, 5ms}) == RoundTrips{2ms, 5ms});
    CHECK(round_trips_of({9ms, 2ms, 5ms, 4ms}) == RoundTrips{2ms, 4ms});
}

TEST_CASE("the rate of a burst is that of the link, whatever a token bucket lets through at once") {
    for (const std::int64_t mbps : {1, 20, 100, 1000, 10'000}) {
        const Bandwidth rate = Bandwidth::bits_per_second(mbps * 1'000'000);
        for (const DataSize bucket : {0_B, 3000_B, rate * 40ms}) {
            const auto measured =
                rate_of_burst(through(rate, bucket, 1440_B, bucket + rate * 450ms, 77s));
            REQUIRE(measured);
            INFO(mbps << " Mbit/s, bucket of " << bucket.bytes() << " bytes: "
                      << measured->rate.bits_per_second() << " ± " << measured->error_bps);
            const std::int64_t off =
                std::abs(measured->rate.bits_per_second() - rate.bits_per_second());
            CHECK(off <= measured->error_bps + 1);
            CHECK(static_cast<double>(measured->error_bps) <=
                  std::max(0.03 * static_cast<double>(rate.bits_per_second()), 80'000.0));
        }
    }
}

TEST_CASE("a link whose rate changes during the burst is known less well") {
    std::vector<BurstPiece> pieces;
    pieces.reserve(450);
    for (int i = 0; i < 300; ++i) pieces.push_back({.at = i * 1ms, .size = 1000_B});
    for (int i = 0; i < 150; ++i) pieces.push_back({.at = 300ms + i * 2ms, .size = 1000_B});
    const auto measured = rate_of_burst(pieces);
    REQUIRE(measured);
    // Between 4 and 8 Mbit/s, and it says that it may be either.
    CHECK(measured->error_bps >= 1'900'000);
    CHECK(measured->rate >= 4_Mbps);
    CHECK(measured->rate <= 6_Mbps);
}

TEST_CASE("lost packets take no time from those that come") {
    std::mt19937_64 random{5};
    std::vector<BurstPiece> pieces = through(100_Mbps, 0_B, 1440_B, 100_Mbps * 500ms, 0s);
    std::erase_if(pieces, [&random](const BurstPiece&) { return random() % 100 < 10; });
    const auto measured = rate_of_burst(pieces);
    REQUIRE(measured);
    CHECK(measured->rate.bits_per_second() == Approx(90e6).epsilon(0.02));
}

TEST_CASE("too few packets, or all at once, say nothing of a rate") {
    CHECK_FALSE(rate_of_burst({}));
    CHECK_FALSE(rate_of_burst(std::vector<BurstPiece>(kLeastPieces - 1, {1ms, 1440_B})));
    CHECK_FALSE(rate_of_burst(std::vector<BurstPiece>(100, {1ms, 1440_B})));
    std::vector<BurstPiece> pieces;
    pieces.reserve(kLeastPieces);
    for (std::size_t i = 0; i < kLeastPieces; ++i) {
        pieces.push_back({.at = static_cast<int>(i) * 10ms, .size = 1000_B});
    }
    CHECK(rate_of_burst(pieces));
}

TEST_CASE("a second burst fills the way for all of its time, or is not needed") {
    const MeasuredRate narrow{.rate = 20_Mbps, .error_bps = 30'000'000};
    CHECK(pace_after(narrow, DataSize::bytes(64'000'000), 500ms) == 100_Mbps);
    // 64 MB in 0.5 s are 1.024 Gbps.
    CHECK(pace_after({.rate = 511_Mbps, .error_bps = 0}, DataSize::bytes(64'000'000), 500ms) ==
          1022_Mbps);
    CHECK_FALSE(pace_after({.rate = 512_Mbps, .error_bps = 0}, DataSize::bytes(64'000'000), 500ms));
    CHECK_FALSE(pace_after({.rate = 1_Mbps, .error_bps = std::numeric_limits<std::int64_t>::max()},
                           DataSize::bytes(64'000'000), 500ms));
}
