#include <catch2/catch.hpp>

#include "model/units.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace std::chrono_literals;

TEST_CASE("the time a packet takes is rounded up to a whole nanosecond") {
    CHECK(1500_B / 12_Mbps == 1ms);
    CHECK(1_B / 3_Gbps == 3ns);  // 2.67
    CHECK(0_B / 1_bps == 0ns);
    CHECK(DataSize::bytes(1) / Bandwidth::bits_per_second(1) == 8s);
}

TEST_CASE("what passes in a time is rounded down to a whole byte") {
    CHECK(12_Mbps * 1ms == 1500_B);
    CHECK(3_Gbps * 2ns == 0_B);  // 0.75
    CHECK(3_Gbps * 3ns == 1_B);  // 1.125
    CHECK(1_bps * 7s == 0_B);
}

TEST_CASE("bytes per second are rounded down") {
    CHECK((15_bps).bytes_per_second() == 1);
    CHECK((16_bps).bytes_per_second() == 2);
}

TEST_CASE("an unlimited rate takes no time and lets everything pass") {
    const Bandwidth unlimited = Bandwidth::unlimited();
    CHECK(unlimited.is_unlimited());
    CHECK(1500_B / unlimited == 0ns);
    CHECK((unlimited * 1ns).bytes() == std::numeric_limits<std::int64_t>::max());
    CHECK(100_Gbps < unlimited);
}

TEST_CASE("results too large for their type are the largest there is") {
    const DataSize huge = DataSize::bytes(std::numeric_limits<std::int64_t>::max());
    CHECK(huge / 1_bps == Duration::max());
    CHECK(9'000'000'000_Gbps * Duration::max() == huge);
}

TEST_CASE("at least one of two independent events") {
    const auto half = Probability::of(0.5);
    CHECK(either(half, half).value() == 0.75);
    CHECK(either(half, Probability{}).value() == 0.5);
    CHECK(either(half, Probability::of(1)).value() == 1.0);
}
