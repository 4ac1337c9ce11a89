// What of paths' latencies the real network between machines takes.
#include <catch2/catch.hpp>

#include "cli/placed_paths.hh"

using namespace pleat;
using namespace std::chrono_literals;

namespace {

WayInfo way(const std::string& from, const std::string& to, Duration round_trip) {
    return {.from = from,
            .to = to,
            .quality = WayQuality{.round_trips = {.least = round_trip, .median = 2 * round_trip}}};
}

PlacedPath path(const PlacedPaths& paths, std::uint32_t from, std::uint32_t to, Duration latency) {
    return paths.of({HostId{from}, HostId{to}}, latency);
}

}  // namespace

TEST_CASE("half the least round trip is taken off a path between machines, as far as it goes") {
    PlacementChecked placement{
        .machines = {"m2", "m1", "m3", "m1"}, .problems = {}, .refusal = {}, .notes = {}};
    placement.ways.ways = {way("m1", "m2", 6ms), {.from = "m1", .to = "m3"}};
    const PlacedPaths paths{placement};
    for (const auto& [from, to] : {std::pair{0U, 1U}, {1U, 0U}}) {
        const PlacedPath found = path(paths, from, to, 10ms);
        CHECK(found.source == (from == 0 ? "m2" : "m1"));
        CHECK(found.destination == (from == 0 ? "m1" : "m2"));
        CHECK(found.real == 3ms);
        CHECK(found.added == 7ms);
        CHECK_FALSE(found.is_too_quick);
    }
    CHECK(path(paths, 0, 1, 3ms).added == 0ms);
    CHECK_FALSE(path(paths, 0, 1, 3ms).is_too_quick);
    CHECK(path(paths, 0, 1, 2ms).added == 0ms);
    CHECK(path(paths, 0, 1, 2ms).is_too_quick);
}

TEST_CASE("on one machine nothing is real, and what is not measured is not known") {
    PlacementChecked placement{
        .machines = {"m2", "m1", "m3", "m1"}, .problems = {}, .refusal = {}, .notes = {}};
    placement.ways.ways = {way("m1", "m2", 6ms), {.from = "m1", .to = "m3"}};
    const PlacedPaths paths{placement};
    CHECK(path(paths, 1, 3, 10ms).is_on_one_machine());
    CHECK(path(paths, 1, 3, 10ms).added == 10ms);
    for (const std::uint32_t other : {0U, 1U}) {
        CHECK_FALSE(path(paths, other, 2, 10ms).is_on_one_machine());
        CHECK_FALSE(path(paths, other, 2, 10ms).real);
        CHECK_FALSE(path(paths, other, 2, 0ms).is_too_quick);
    }
}
