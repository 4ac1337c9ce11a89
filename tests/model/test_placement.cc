// Placement against brute force on small topologies.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <random>

#include <catch2/catch.hpp>

#include "model/placement.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

using Random = std::mt19937_64;

std::vector<Machine> machines(std::size_t count) {
    std::vector<Machine> all(count);
    for (std::size_t m = 0; m < count; ++m) all[m].name = "m" + std::to_string(m);
    return all;
}

// Hosts h0.. and bridges s0..: every host on one or two bridges, bridges joined at random.
std::vector<std::string> random_lines(Random& random, std::size_t hosts, std::size_t bridges) {
    const auto rate = [&random] {
        static const std::vector<std::string> rates{"1Mbps", "10Mbps", "50Mbps", "100Mbps"};
        return " 1ms " + rates[random() % rates.size()];
    };
    const auto bridge = [&random, bridges] { return "s" + std::to_string(random() % bridges); };
    std::vector<std::string> lines;
    for (std::size_t h = 0; h < hosts; ++h) {
        const std::string first = bridge();
        lines.push_back("h" + std::to_string(h) + " -- " + first + ":" + rate());
        const std::string second = bridge();
        if (random() % 5 == 0 && second != first) {
            lines.push_back("h" + std::to_string(h) + " -- " + second + ":" + rate());
        }
    }
    for (std::size_t s = 1; s < bridges; ++s) {
        lines.push_back("s" + std::to_string(s) + " -- s" + std::to_string(random() % s) + ":" +
                        rate());
    }
    for (std::size_t s = 0; s < bridges; ++s) lines.push_back("bridge s" + std::to_string(s));
    return lines;
}

// The least bandwidth that a placement parts, over all places of the bridges.
double parted_at_least(const Topology& topology, const Placement& placement, std::size_t count) {
    const std::size_t bridges = topology.bridges().size();
    std::size_t all = 1;
    for (std::size_t s = 0; s < bridges; ++s) all *= count;
    double least = INFINITY;
    for (std::size_t code = 0; code < all; ++code) {
        std::vector<std::uint32_t> at;
        for (const MachineId machine : placement) at.push_back(machine.value);
        for (std::size_t rest = code, s = 0; s < bridges; ++s, rest /= count) {
            at.push_back(static_cast<std::uint32_t>(rest % count));
        }
        double sum = 0;
        for (const Link& link : topology.links()) {
            if (at[link.from.value] == at[link.to.value]) continue;
            sum += static_cast<double>(link.properties.bandwidth.bits_per_second());
        }
        least = std::min(least, sum);
    }
    return least;
}

std::vector<std::size_t> loads(const Placement& placement, std::size_t count) {
    std::vector<std::size_t> load(count, 0);
    for (const MachineId machine : placement) ++load.at(machine.value);
    return load;
}

// The least of all placements with these loads, in any order.
double best_possible(const Topology& topology, std::size_t count,
                     std::vector<std::size_t> allowed) {
    const std::size_t hosts = topology.hosts().size();
    std::ranges::sort(allowed);
    std::size_t all = 1;
    for (std::size_t h = 0; h < hosts; ++h) all *= count;
    double least = INFINITY;
    for (std::size_t code = 0; code < all; ++code) {
        Placement placement;
        for (std::size_t rest = code, h = 0; h < hosts; ++h, rest /= count) {
            placement.push_back(MachineId{static_cast<std::uint32_t>(rest % count)});
        }
        std::vector<std::size_t> load = loads(placement, count);
        std::ranges::sort(load);
        if (load == allowed) least = std::min(least, parted_at_least(topology, placement, count));
    }
    return least;
}

}  // namespace

TEST_CASE("a dumbbell on two machines is parted at its middle") {
    const Topology t =
        topology({"a1 -- s1: 1ms 100Mbps", "a2 -- s1: 1ms 100Mbps", "a3 -- s1: 1ms 100Mbps",
                  "s1 -- s2: 1ms 50Mbps", "c1 -- s2: 1ms 100Mbps", "c2 -- s2: 1ms 100Mbps",
                  "c3 -- s2: 1ms 100Mbps"});
    const auto all = machines(2);
    const Placement placement = *place_hosts(t, all);
    CHECK(placement[0] == placement[1]);
    CHECK(placement[1] == placement[2]);
    CHECK(placement[3] == placement[4]);
    CHECK(placement[4] == placement[5]);
    CHECK(placement[0] != placement[3]);
    CHECK(parted_bandwidth(t, placement) == 2 * 50e6);
}

TEST_CASE("hosts are balanced by capacity, within one") {
    Random random{1};
    for (int round = 0; round < 300; ++round) {
        const std::size_t hosts = 1 + random() % 40;
        const Topology t = topology(random_lines(random, hosts, 1 + random() % 6));
        auto all = machines(1 + random() % 6);
        double sum = 0;
        for (Machine& machine : all) {
            machine.capacity = 1.0 + static_cast<double>(random() % 16);
            sum += machine.capacity;
        }
        const Placement placement = *place_hosts(t, all);
        REQUIRE(placement.size() == hosts);
        const auto load = loads(placement, all.size());
        for (std::size_t m = 0; m < all.size(); ++m) {
            const double share = static_cast<double>(hosts) * all[m].capacity / sum;
            CHECK(std::abs(static_cast<double>(load[m]) - share) < 1.0);
        }
    }
}

TEST_CASE("what is parted is not far from the least possible on small topologies") {
    Random random{2};
    double worst = 1;
    double total = 0;
    int optimal = 0;
    int counted = 0;
    for (int round = 0; round < 1000; ++round) {
        const std::size_t count = 2 + random() % 2;
        const std::size_t hosts = 4 + random() % (count == 2 ? 5 : 3);
        const Topology t = topology(random_lines(random, hosts, 1 + random() % 4));
        const Placement placement = *place_hosts(t, machines(count));
        const double ours = parted_at_least(t, placement, count);
        const double best = best_possible(t, count, loads(placement, count));
        REQUIRE(ours >= best);
        CHECK(parted_bandwidth(t, placement) >= ours);
        ++counted;
        if (ours == best) ++optimal;
        if (best == 0) {
            CHECK(ours == 0);
            continue;
        }
        worst = std::max(worst, ours / best);
        total += ours / best - 1;
    }
    INFO("optimal in " << optimal << " of " << counted << ", on average " << 100 * total / counted
                       << " % above, worst factor " << worst);
    CHECK(worst <= 1.2);
    CHECK(total / counted < 0.001);
    CHECK(optimal > counted * 99 / 100);
}

TEST_CASE("the same problem told in another order has the same answer") {
    Random random{3};
    for (int round = 0; round < 50; ++round) {
        auto lines = random_lines(random, 5 + random() % 20, 1 + random() % 6);
        const auto all = machines(2 + random() % 4);
        const Placement first = *place_hosts(topology(lines), all);
        std::ranges::shuffle(lines, random);
        CHECK(*place_hosts(topology(lines), all) == first);
    }
}

TEST_CASE("rules are kept to") {
    std::vector<std::string> lines;
    lines.reserve(13);
    for (int i = 0; i < 6; ++i) lines.push_back("c[" + std::to_string(i) + "] -- s1: 1ms 10Mbps");
    for (int i = 0; i < 4; ++i) lines.push_back("d[" + std::to_string(i) + "] -- s1: 1ms 10Mbps");
    lines.insert(lines.end(), {"e -- s2: 1ms", "f -- s2: 1ms", "s1 -- s2: 1ms"});
    const Topology t = topology(lines);
    auto all = machines(3);
    all[2].labels = {"gpu"};
    std::vector<PlaceRule> rules(t.hosts().size(), PlaceAnywhere{});
    for (std::uint32_t h = 0; h < rules.size(); ++h) {
        const std::string& group = t.host(HostId{h}).group;
        if (group == "c") rules[h] = *parse_place_rule("spread");
        if (group == "d") rules[h] = *parse_place_rule("pack");
        if (group == "e") rules[h] = *parse_place_rule("label:gpu");
        if (group == "f") rules[h] = *parse_place_rule("m1");
    }
    const Placement placement = *place_hosts(t, all, rules);
    std::map<std::string, std::map<std::uint32_t, int>> where;
    for (std::uint32_t h = 0; h < rules.size(); ++h) {
        ++where[t.host(HostId{h}).group][placement[h].value];
    }
    CHECK(where["c"] == std::map<std::uint32_t, int>{{0, 2}, {1, 2}, {2, 2}});
    CHECK(where["d"].size() == 1);
    CHECK(where["e"].begin()->first == 2);
    CHECK(where["f"].begin()->first == 1);
}

TEST_CASE("what can't be placed is refused with the reason") {
    const Topology t = topology({"a -- s1: 1ms", "b -- s1: 1ms", "c -- s1: 1ms"});
    auto all = machines(2);
    std::vector<PlaceRule> rules(3, PlaceAnywhere{});
    rules[1] = PlaceOnMachine{"m7"};
    CHECK(place_hosts(t, all, rules).error().message ==
          "host 'b': place 'machine:m7' is no machine of this experiment; there are: m0, m1");
    rules[1] = PlaceByLabel{"gpu"};
    CHECK(place_hosts(t, all, rules).error().message ==
          "host 'b': place 'label:gpu' is no machine with that label; there are: m0, m1");
    rules[1] = PlaceAnywhere{};
    all[0].room = 1;
    all[1].room = 1;
    CHECK(place_hosts(t, all, rules).error().message ==
          "host 'a': no machine has room for it left (m0 takes 1, m1 takes 1)");
    all[1].room = 2;
    CHECK(loads(*place_hosts(t, all, rules), 2) == std::vector<std::size_t>{1, 2});
}

TEST_CASE("a host with a choice makes room for one that has none") {
    const Topology t = topology({"a -- s1: 1ms", "b -- s1: 1ms", "c -- s1: 1ms"});
    auto all = machines(3);
    all[0].labels = {"x"};
    all[1].labels = {"x", "y"};
    all[2].labels = {"y", "z"};
    for (Machine& machine : all) machine.room = 1;
    // b takes m0, a only fits m1 then, c only m2; whatever the order of choice.
    const std::vector<PlaceRule> rules{PlaceByLabel{"y"}, PlaceByLabel{"x"}, PlaceByLabel{"z"}};
    const Placement placement = *place_hosts(t, all, rules);
    CHECK(placement[2].value == 2);
    CHECK(placement[0].value == 1);
    CHECK(placement[1].value == 0);
}

TEST_CASE("a place is written as it is read") {
    for (const char* const text : {"machine:m1", "label:fast", "spread", "pack"}) {
        CHECK(place_rule_text(*parse_place_rule(text)) == text);
    }
    CHECK(place_rule_text(*parse_place_rule("m1")) == "machine:m1");
    for (const char* const text : {"", "label:", "machine:"}) CHECK_FALSE(parse_place_rule(text));
}
