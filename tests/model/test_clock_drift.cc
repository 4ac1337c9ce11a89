#include <catch2/catch.hpp>

#include "model/clock_drift.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;

constexpr Instant kT0{100s};  // by the other clock

TEST_CASE("clocks that keep together differ by what is not known of them") {
    ClockDrift drift;
    drift.begin(kT0, 30us);
    CHECK(drift.most() == 30us);
    CHECK_FALSE(drift.look(1s, kT0 + 1s, 20us));
    CHECK(drift.most() == 30us);
    CHECK_FALSE(drift.look(2s, kT0 + 2s, 50us));
    CHECK(drift.most() == 50us);
}

TEST_CASE("a clock that is slow or fast counts the same, and the most of it stays") {
    const Duration off = GENERATE(-700us, 700us);
    ClockDrift drift;
    drift.begin(kT0, 0us);
    CHECK_FALSE(drift.look(10s, kT0 + 10s + off, 100us));
    CHECK(drift.most() == 800us);
    CHECK_FALSE(drift.look(11s, kT0 + 11s, 100us));
    CHECK(drift.most() == 800us);
}

TEST_CASE("clocks that have gone far apart are told of once, and not while it may be doubted") {
    ClockDrift drift;
    drift.begin(kT0, 0us);
    // 2.9 ms, give or take 1 ms, may be less than 2 ms.
    CHECK_FALSE(drift.look(10s, kT0 + 10s + 2900us, 1ms));
    CHECK(drift.look(20s, kT0 + 20s + 3100us, 1ms) == 4100us);
    CHECK_FALSE(drift.look(30s, kT0 + 30s + 9ms, 1ms));
    CHECK(drift.most() == 10ms);
}

TEST_CASE("what was known before a run was taken over is added to what is seen after it") {
    ClockDrift drift;
    drift.resume(500us);
    CHECK(drift.most() == 500us);
    // Nothing is known of where its T0 was: from here on it is followed.
    CHECK_FALSE(drift.look(60s, Instant{7s}, 100us));
    CHECK(drift.most() == 700us);
    CHECK_FALSE(drift.look(70s, Instant{17s} + 300us, 100us));
    CHECK(drift.most() == 1ms);
}

}  // namespace
}  // namespace pleat
