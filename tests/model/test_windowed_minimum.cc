#include <random>
#include <vector>

#include <catch2/catch.hpp>

#include "model/windowed_minimum.hh"

using namespace pleat;
using namespace std::chrono_literals;

TEST_CASE("the minimum of a window is that of all that was seen in it") {
    std::mt19937_64 random{7};
    WindowedMinimum minimum{30s};
    CHECK_FALSE(minimum.value());
    std::vector<std::pair<Instant, Duration>> all;
    Instant now{1000s};
    for (int i = 0; i < 2000; ++i) {
        now += Duration{static_cast<std::int64_t>(random() % 4'000'000'000)};
        const Duration value{static_cast<std::int64_t>(random() % 50)};
        minimum.add(value, now);
        all.emplace_back(now, value);
        Duration least = value;
        for (const auto& [at, seen] : all) {
            if (at >= now - 30s) least = std::min(least, seen);
        }
        REQUIRE(minimum.value() == least);
    }
}
