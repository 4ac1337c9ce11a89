// What an operator is told of a placement that the network can't carry.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <tuple>

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

TEST_CASE("what other runs may send between the machines is not there for a new one") {
    // 60 Mbit/s there, though their access links could more; 5 back.
    const Scenario first =
        scenario(topology({"a -> s1: 5ms 50Mbps", "b -> s1: 5ms 50Mbps", "s1 -> c: 5ms 60Mbps",
                           "c -> s1: 5ms 5Mbps", "s1 -> a: 5ms 90Mbps"}));
    const Epochs first_epochs = compute_epochs(first);
    RunRates of_first{"r-1", first, first_epochs, {"m1", "m1", "m2"}};
    CHECK(of_first.between("m1", "m2") == 60_Mbps);
    CHECK(of_first.between("m2", "m1") == 5_Mbps);
    CHECK_FALSE(of_first.between("m1", "m3"));
    const Scenario second = scenario(topology({"a -- b: 5ms 10Mbps"}));
    const Epochs second_epochs = compute_epochs(second);
    RunRates of_second{"r-2", second, second_epochs, {"m1", "m2"}};
    // An unlimited one promises nothing.
    const Scenario third = scenario(topology({"a -- b: 5ms"}));
    const Epochs third_epochs = compute_epochs(third);
    RunRates of_third{"r-3", third, third_epochs, {"m1", "m2"}};
    CHECK_FALSE(of_third.between("m1", "m2"));

    const auto ways =
        known(1ms, MeasuredRate{99_Mbps, 1'000'000}, MeasuredRate{99_Mbps, 1'000'000});
    const auto problems = [&](const std::string& rate, const std::vector<RunRates*>& others) {
        const Scenario s = scenario(topology({"x -- y: 5ms " + rate}));
        return judge_network(s, compute_epochs(s), {"m1", "m2"}, ways, others).problems;
    };
    CHECK(problems("40Mbps", {}).empty());
    CHECK(problems("40Mbps", {&of_first, &of_third}).empty());  // 60 + 40 = 99 + 1
    const auto refused = problems("40Mbps", {&of_first, &of_second, &of_third});
    REQUIRE(refused.size() == 1);
    CHECK(refused[0] ==
          "m1 -> m2, all hosts together: 40 Mbit/s emulated, 99 Mbit/s ± 1 Mbit/s real, of which "
          "are spoken for: 60 Mbit/s by r-1, 10 Mbit/s by r-2");
    CHECK(problems("30Mbps", {&of_first, &of_second, &of_third}).empty());
    CHECK(problems("30001kbps", {&of_first, &of_second, &of_third}).size() == 1);
}

TEST_CASE("a run speaks for what it can send in the epoch in which that is most") {
    const Topology t =
        topology({"a -> s1: 1ms 10Mbps", "s1 -> b: 1ms 50Mbps", "a -> s2: 1ms 20Mbps down",
                  "s2 -> b: 1ms 50Mbps", "b -> a: 1ms 1Mbps"});
    const Scenario s =
        scenario(t, {event(5s, LinkUp{link(t, "a->s2")}), event(9s, LinkDown{link(t, "a->s1")})});
    const Epochs epochs = compute_epochs(s);
    RunRates rates{"r-1", s, epochs, {"m1", "m2"}};
    CHECK(rates.between("m1", "m2") == 30_Mbps);
    CHECK(rates.between("m2", "m1") == 1_Mbps);
}

TEST_CASE("runs are accepted together just when their least cuts fit, as trying all cuts says") {
    std::mt19937 random{7};
    const auto pick = [&random](int n) {
        return std::uniform_int_distribution<int>{0, n - 1}(random);
    };

    struct Made {
        Scenario scenario;
        Epochs epochs;
        std::int64_t cut = 0;  // of hosts a and b to c and d, in Mbit/s
    };

    const auto make = [&] {
        // Two hosts on either side, three bridges, every link one way.
        const std::vector<std::string> ends{"a", "b", "c", "d", "s1", "s2", "s3"};
        std::vector<std::string> lines{"host a", "host b", "host c", "host d"};
        for (const char* bridge : {"bridge s1", "bridge s2", "bridge s3"}) {
            lines.emplace_back(bridge);
        }
        std::vector<std::tuple<std::size_t, std::size_t, int>> links;
        for (std::size_t from = 0; from < ends.size(); ++from) {
            for (std::size_t to = 0; to < ends.size(); ++to) {
                const bool between_hosts = from < 4 && to < 4;
                if (from == to || between_hosts || pick(3) == 0) continue;
                const int rate = 1 + pick(20);
                links.emplace_back(from, to, rate);
                lines.push_back(ends[from] + " -> " + ends[to] + ": 1ms " + std::to_string(rate) +
                                "Mbps");
            }
        }
        // Hosts a and b are on the one side of each cut, c and d on the other, bridges anywhere.
        std::int64_t least = std::numeric_limits<std::int64_t>::max();
        for (unsigned bridges = 0; bridges < 8; ++bridges) {
            const auto near = [bridges](std::size_t end) {
                return end < 2 || (end >= 4 && ((bridges >> (end - 4)) & 1U) != 0);
            };
            std::int64_t cut = 0;
            for (const auto& [from, to, rate] : links) {
                if (near(from) && !near(to)) cut += rate;
            }
            least = std::min(least, cut);
        }
        Scenario made = scenario(topology(lines));
        Epochs epochs = compute_epochs(made);
        return Made{std::move(made), std::move(epochs), least};
    };
    int refusals = 0;
    for (int round = 0; round < 200; ++round) {
        const Made first = make();
        const Made second = make();
        const Made added = make();
        const std::vector<std::string> machines{"m1", "m1", "m2", "m2"};
        RunRates one{"r-1", first.scenario, first.epochs, machines};
        RunRates two{"r-2", second.scenario, second.epochs, machines};
        const std::int64_t real = 30 + pick(150);
        const auto ways = known(1ms, MeasuredRate{Bandwidth::bits_per_second(real * 1'000'000)},
                                MeasuredRate{10_Gbps});
        const auto judged =
            judge_network(added.scenario, added.epochs, machines, ways, {&one, &two});
        const bool refused = std::ranges::any_of(judged.problems, [](const std::string& line) {
            return line.starts_with("m1 -> m2, all hosts together");
        });
        INFO(round << ": " << first.cut << " + " << second.cut << " + " << added.cut << " of "
                   << real);
        CHECK(refused == (added.cut > 0 && first.cut + second.cut + added.cut > real));
        refusals += refused ? 1 : 0;
    }
    CHECK(refusals > 40);
    CHECK(refusals < 160);
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
