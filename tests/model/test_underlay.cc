// The check of a placement against the real network.
#include <random>

#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "model/graph_min_cut.hh"
#include "model/underlay.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

constexpr MachineId kM0{0};
constexpr MachineId kM1{1};

PathTable table_of(const Topology& t) {
    return compute_epochs(scenario(t)).base;
}

UnderlayFindings check(const std::vector<std::string>& lines, const Placement& placement,
                       const std::vector<UnderlayLink>& underlay, std::size_t most = 100) {
    const Topology t = topology(lines);
    const PathFolder folder{t};
    return check_underlay(folder, table_of(t), placement, underlay, most);
}

}  // namespace

TEST_CASE("paths faster than the real network are named, in each direction") {
    const std::vector<std::string> lines{"a -- s1: 1ms 10Mbps", "s1 -> c: 1ms 10Mbps",
                                         "c -> s1: 3ms 10Mbps"};
    const auto found = check(lines, {kM0, kM1}, {{kM0, kM1, 6ms, std::nullopt}});
    REQUIRE(found.total == 1);
    CHECK(std::get<LatencyBelowReal>(found.findings.at(0)) ==
          LatencyBelowReal{{HostId{0}, HostId{1}}, 2ms, 3ms});
    CHECK(check(lines, {kM0, kM1}, {{kM0, kM1, 4ms, std::nullopt}}).total == 0);
    CHECK(check(lines, {kM0, kM0}, {{kM0, kM1, 6ms, std::nullopt}}).total == 0);
    // Measured each way: the way back has its own.
    CHECK(check(lines, {kM0, kM1}, {{kM0, kM1, 4ms, {}}, {kM1, kM0, 9ms, {}}}).total == 1);
}

TEST_CASE("a path with more bandwidth than the real network is named; an unlimited one is not") {
    const std::vector<std::string> lines{"a -- s1: 10ms 1Gbps", "s1 -- c: 10ms 2Gbps",
                                         "d -- s2: 10ms", "s2 -- c: 10ms"};
    const auto found = check(lines, {kM0, kM1, kM0}, {{kM0, kM1, 1ms, 800_Mbps}});
    // a -> c and back; with the unlimited ones there is no least cut for all together.
    REQUIRE(found.total == 2);
    CHECK(std::get<PathAboveUnderlay>(found.findings.at(0)) ==
          PathAboveUnderlay{{HostId{0}, HostId{1}}, 1_Gbps, 800_Mbps});
    CHECK(check(lines, {kM0, kM1, kM0}, {{kM0, kM1, 1ms, 1_Gbps}}).total == 0);
}

TEST_CASE("paths that are each within the real network may be too much together") {
    const std::vector<std::string> lines{"a -- s1: 10ms 100Mbps", "d -- s1: 10ms 100Mbps",
                                         "s1 -- s2: 10ms 150Mbps", "s2 -- x: 10ms 100Mbps",
                                         "s2 -- y: 10ms 100Mbps"};
    const Placement placement{kM0, kM0, kM1, kM1};
    const auto found = check(lines, placement, {{kM0, kM1, 1ms, 120_Mbps}});
    REQUIRE(found.total == 2);
    CHECK(std::get<TogetherAboveUnderlay>(found.findings.at(0)) ==
          TogetherAboveUnderlay{kM0, kM1, 150_Mbps, 120_Mbps});
    CHECK(check(lines, placement, {{kM0, kM1, 1ms, 150_Mbps}}).total == 0);
}

TEST_CASE("the list is as long as asked, the count is whole") {
    std::vector<std::string> lines;
    lines.reserve(10);
    for (int i = 0; i < 10; ++i) lines.push_back("h" + std::to_string(i) + " -- s1: 1ms");
    Placement placement(10, kM0);
    for (std::size_t i = 0; i < 5; ++i) placement[i] = kM1;
    const auto found = check(lines, placement, {{kM0, kM1, 10ms, std::nullopt}}, 7);
    CHECK(found.total == 50);
    CHECK(found.findings.size() == 7);
}

TEST_CASE("the least cut is that of all sets of bridges") {
    std::mt19937_64 random{4};
    for (int round = 0; round < 200; ++round) {
        std::vector<std::string> lines;
        lines.reserve(30);
        const std::size_t bridges = 1 + random() % 6;
        const auto bridge = [&] { return "s" + std::to_string(random() % bridges); };
        const auto rate = [&] { return ": 1ms " + std::to_string(1 + random() % 20) + "Mbps"; };
        for (int h = 0; h < 6; ++h) {
            lines.push_back("h" + std::to_string(h) + " -- " + bridge() + rate());
        }
        for (std::size_t i = 0; i < bridges * 2; ++i) {
            const std::string from = bridge();
            const std::string to = bridge();
            if (from == to) continue;
            std::string line = from;
            line += " -> ";
            line += to;
            line += rate();
            lines.push_back(std::move(line));
        }
        for (std::size_t s = 0; s < bridges; ++s) lines.push_back("bridge s" + std::to_string(s));
        const Topology t = topology(lines);
        const std::vector<HostId> from{HostId{0}, HostId{1}};
        const std::vector<HostId> to{HostId{2}, HostId{3}, HostId{4}};
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        for (std::size_t code = 0; code < std::size_t{1} << bridges; ++code) {
            // Which side: the senders' is 1; hosts that do neither are not in the way.
            const auto side = [&](VertexId v) -> int {
                if (!t.is_host(v)) return (code >> t.bridge_of(v).value & 1U) != 0 ? 1 : 0;
                return v.value < 2 ? 1 : v.value < 5 ? 0 : -1;
            };
            std::int64_t sum = 0;
            for (const Link& link : t.links()) {
                if (side(link.from) == 1 && side(link.to) == 0) {
                    sum += link.properties.bandwidth.bits_per_second();
                }
            }
            least = std::min(least, sum);
        }
        const auto cut = least_cut(t, table_of(t), from, to);
        CHECK((cut ? cut->bits_per_second() : 0) == least);
    }
}
