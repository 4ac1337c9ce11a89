// What an operator is told of a placement that the network can't carry.
#include <catch2/catch.hpp>

#include "controller/network_check.hh"
#include "controller/planner.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

WaysByMachines known(Duration round_trip, std::optional<MeasuredRate> there = {},
                     std::optional<MeasuredRate> back = {}) {
    return {{{"m1", "m2"},
             {.from = "m1",
              .to = "m2",
              .quality = WayQuality{.round_trips = {.least = round_trip, .median = round_trip},
                                    .mtu = 1500_B,
                                    .there = there,
                                    .back = back},
              .measured_at = "then"}}};
}

NetworkJudgement judge(const std::vector<std::string>& lines,
                       const std::vector<std::string>& machines, const WaysByMachines& ways) {
    const Scenario s = scenario(topology(lines));
    return judge_network(s, compute_epochs(s), machines, ways);
}

}  // namespace

TEST_CASE("a path below the real latency is named with both numbers") {
    const std::vector<std::string> lines{"a -- b: 5ms"};
    const NetworkJudgement judged =
        judge(lines, {"m1", "m2"}, known(20ms, MeasuredRate{1_Gbps}, MeasuredRate{1_Gbps}));
    REQUIRE(judged.problems.size() == 2);
    CHECK(judged.problems[0] ==
          "a (m1) -> b (m2): 5 ms emulated, 10 ms real (half of 20 ms round trip)");
    CHECK(judged.notes.empty());
    CHECK_THAT(refusal_text(judged), Contains(judged.problems[1]) && Contains("--ignore-network"));
    CHECK(judge(lines, {"m1", "m1"}, known(20ms)).problems.empty());
    // What any plane adds is no reason.
    CHECK(judge(lines, {"m1", "m2"}, known(10'400us)).problems.empty());
    CHECK(judge(lines, {"m1", "m2"}, known(10'500us)).problems.size() == 2);
}

TEST_CASE("rates are held against what was measured in their direction, within its error") {
    const std::vector<std::string> lines{"a -> b: 5ms 100Mbps", "b -> a: 5ms 50Mbps"};
    const auto at = [&](std::int64_t there, std::int64_t back) {
        return judge(lines, {"m1", "m2"},
                     known(1ms, MeasuredRate{Bandwidth::bits_per_second(there), 1'000'000},
                           MeasuredRate{Bandwidth::bits_per_second(back), 1'000'000}))
            .problems;
    };
    CHECK(at(99'000'000, 49'000'000).empty());
    const auto there = at(98'000'000, 49'000'000);
    REQUIRE(there.size() == 2);  // the path, and all hosts together
    CHECK(there[0] == "a (m1) -> b (m2): 100 Mbit/s emulated, 98 Mbit/s ± 1 Mbit/s real");
    CHECK(there[1] ==
          "m1 -> m2, all hosts together: 100 Mbit/s emulated, 98 Mbit/s ± 1 Mbit/s real");
    const auto back = at(99'000'000, 20'000'000);
    REQUIRE(back.size() == 2);
    CHECK_THAT(back[0], Contains("b (m2) -> a (m1): 50 Mbit/s emulated, 20 Mbit/s"));
}

TEST_CASE("what was not measured is said, and is nothing against a placement") {
    const std::vector<std::string> lines{"a -- b: 5ms 100Mbps"};
    const NetworkJudgement nothing = judge(lines, {"m1", "m2"}, {});
    CHECK(nothing.problems.empty());
    REQUIRE(nothing.notes.size() == 1);
    CHECK_THAT(nothing.notes[0], Contains("m1 - m2") && Contains("pleat machines check"));
    const NetworkJudgement no_rate = judge(lines, {"m1", "m2"}, known(1ms));
    CHECK(no_rate.problems.empty());
    REQUIRE(no_rate.notes.size() == 1);
    CHECK_THAT(no_rate.notes[0], Contains("rate"));
    CHECK(judge(lines, {"m1", "m1"}, {}).notes.empty());
}

TEST_CASE("only the first problems are listed, and how many more there are") {
    std::vector<std::string> lines{"bridge s1"};
    std::vector<std::string> machines;
    for (int i = 0; i < 8; ++i) {
        lines.push_back("h" + std::to_string(i) + " -- s1: 1ms");
        machines.emplace_back(i % 2 == 0 ? "m1" : "m2");
    }
    const NetworkJudgement judged = judge(lines, machines, known(20ms));
    REQUIRE(judged.problems.size() == 11);
    CHECK(judged.problems.back() == "and 22 more");  // 2 * 4 * 4 - 10
}

TEST_CASE("hosts that are nearer than the network are placed together") {
    const Scenario s = scenario(topology(
        {"a -- b: 5ms 1Mbps", "c -- d: 5ms 1Mbps", "a -- c: 40ms 9Mbps", "b -- d: 40ms 9Mbps"}));
    const std::vector<Machine> machines{{.name = "m1"}, {.name = "m2"}};
    const auto host = [&s](const std::vector<std::string>& placed, const std::string& name) {
        for (std::uint32_t h = 0; h < placed.size(); ++h) {
            if (s.topology.host(HostId{h}).name == name) return placed[h];
        }
        return std::string{};
    };
    const auto by_rate = placement_of(s, machines);
    REQUIRE(by_rate);
    CHECK(host(*by_rate, "a") == host(*by_rate, "c"));
    const auto by_network = placement_of(s, machines, underlay_of(known(20ms), {"m1", "m2"}));
    REQUIRE(by_network);
    CHECK(host(*by_network, "a") == host(*by_network, "b"));
    CHECK(host(*by_network, "c") == host(*by_network, "d"));
    CHECK(host(*by_network, "a") != host(*by_network, "c"));
    const auto far_enough = placement_of(s, machines, underlay_of(known(9ms), {"m1", "m2"}));
    REQUIRE(far_enough);
    CHECK(*far_enough == *by_rate);
}
