// Which hosts are too near each other for two machines.
#include <random>

#include <catch2/catch.hpp>

#include "model/near_hosts.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

// Oracle: the least latencies of all pairs (Floyd and Warshall), where hosts do not forward.
std::vector<std::vector<Duration>> all_latencies(const Topology& topology) {
    const std::size_t count = topology.hosts().size() + topology.bridges().size();
    constexpr Duration kFar = std::chrono::hours{1};
    std::vector<std::vector<Duration>> least(count, std::vector<Duration>(count, kFar));
    for (const Link& link : topology.links()) {
        Duration& known = least[link.from.value][link.to.value];
        known = std::min(known, link.properties.latency);
    }
    for (std::size_t via = topology.hosts().size(); via < count; ++via) {
        for (std::size_t a = 0; a < count; ++a) {
            for (std::size_t b = 0; b < count; ++b) {
                least[a][b] = std::min(least[a][b], least[a][via] + least[via][b]);
            }
        }
    }
    return least;
}

Topology random_topology(std::mt19937_64& random) {
    std::vector<std::string> lines;
    const auto link = [&](const std::string& a, const std::string& b) {
        lines.push_back(a + " -- " + b + ": " + std::to_string(1 + random() % 9) + "ms");
    };
    for (unsigned s = 1; s < 4; ++s) {
        link("s" + std::to_string(s), "s" + std::to_string(random() % s));
    }
    for (int h = 0; h < 9; ++h) link("h" + std::to_string(h), "s" + std::to_string(random() % 4));
    for (int s = 0; s < 4; ++s) lines.push_back("bridge s" + std::to_string(s));
    return topology(lines);
}

}  // namespace

TEST_CASE("hosts are grouped by paths that are nearer than the latency, and by chains of them") {
    std::mt19937_64 random{11};
    for (int round = 0; round < 200; ++round) {
        const Topology t = random_topology(random);
        const auto least = all_latencies(t);
        const Duration latency = std::chrono::milliseconds{1 + random() % 20};
        const auto groups = near_hosts(t, latency);
        std::vector<std::size_t> group_of(t.hosts().size());
        for (std::size_t h = 0; h < group_of.size(); ++h) group_of[h] = 100 + h;  // alone
        for (std::size_t g = 0; g < groups.size(); ++g) {
            CHECK(groups[g].size() > 1);
            CHECK((g == 0 || groups[g - 1].size() >= groups[g].size()));
            for (const HostId host : groups[g]) group_of[host.value] = g;
        }
        // Near pairs are together, and each group holds by near pairs alone.
        std::vector<std::size_t> reach(t.hosts().size());
        for (std::size_t h = 0; h < reach.size(); ++h) reach[h] = h;
        for (std::size_t again = 0; again < reach.size(); ++again) {
            for (std::size_t a = 0; a < reach.size(); ++a) {
                for (std::size_t b = 0; b < reach.size(); ++b) {
                    if (a == b || (least[a][b] >= latency && least[b][a] >= latency)) continue;
                    CHECK(group_of[a] == group_of[b]);
                    reach[a] = reach[b] = std::min(reach[a], reach[b]);
                }
            }
        }
        for (std::size_t a = 0; a < reach.size(); ++a) {
            for (std::size_t b = 0; b < reach.size(); ++b) {
                CHECK((group_of[a] == group_of[b]) == (reach[a] == reach[b]));
            }
        }
    }
}

TEST_CASE("paths below the real latency are counted as all pairs show them") {
    std::mt19937_64 random{12};
    std::size_t all = 0;
    for (int round = 0; round < 200; ++round) {
        const Topology t = random_topology(random);
        const auto least = all_latencies(t);
        Placement placement;
        for (std::size_t h = 0; h < t.hosts().size(); ++h) {
            placement.push_back(MachineId{static_cast<std::uint32_t>(random() % 3)});
        }
        // Of machines 1 and 2 nothing is known.
        const std::vector<UnderlayLink> underlay{
            {MachineId{0}, MachineId{1}, std::chrono::milliseconds{random() % 40}, {}},
            {MachineId{0}, MachineId{2}, std::chrono::milliseconds{random() % 40}, {}}};
        std::size_t expected = 0;
        for (std::size_t a = 0; a < placement.size(); ++a) {
            for (std::size_t b = 0; b < placement.size(); ++b) {
                const auto low = std::min(placement[a], placement[b]);
                const auto high = std::max(placement[a], placement[b]);
                if (low != MachineId{0} || high == MachineId{0}) continue;
                if (least[a][b] < underlay[high.value - 1].round_trip / 2) ++expected;
            }
        }
        CHECK(paths_below_real(t, placement, underlay) == expected);
        all += expected;
    }
    CHECK(all > 1000);
}

TEST_CASE("hosts that belong together land together, if there is room") {
    const Topology t =
        topology({"a -- c: 9ms 100Mbps", "b -- d: 9ms 100Mbps", "a -- b: 1ms 1Mbps"});
    const std::vector<Machine> two{{.name = "m0"}, {.name = "m1"}};
    const auto at = [&t](const Placement& placement, const std::string& name) {
        for (std::uint32_t h = 0; h < placement.size(); ++h) {
            if (t.host(HostId{h}).name == name) return placement[h];
        }
        return MachineId{99};
    };
    const Result<Placement> apart = place_hosts(t, two);
    REQUIRE(apart);
    CHECK(at(*apart, "a") != at(*apart, "b"));  // heavy links first
    const Result<Placement> together = place_hosts(t, two, {}, near_hosts(t, 2ms));
    REQUIRE(together);
    CHECK(at(*together, "a") == at(*together, "b"));
    CHECK(at(*together, "c") == at(*together, "d"));  // balanced
    // A rule stands above it, and the others follow.
    std::vector<PlaceRule> rules(4);
    for (std::uint32_t h = 0; h < 4; ++h) {
        if (t.host(HostId{h}).name == "b") rules[h] = PlaceOnMachine{"m1"};
    }
    const Result<Placement> ruled = place_hosts(t, two, rules, near_hosts(t, 2ms));
    REQUIRE(ruled);
    CHECK(at(*ruled, "a") == MachineId{1});
    // No room for both.
    const std::vector<Machine> narrow{{.name = "m0", .room = 1}, {.name = "m1", .room = 3}};
    const Result<Placement> roomy = place_hosts(t, narrow, {}, near_hosts(t, 2ms));
    REQUIRE(roomy);
    CHECK(at(*roomy, "a") == MachineId{1});
    const std::vector<Machine> full{{.name = "m0", .room = 1}, {.name = "m1", .room = 1}};
    CHECK_FALSE(place_hosts(t, full, {}, near_hosts(t, 2ms)));
}
