// How pairs of machines are measured one after another, with the clock turned by hand.
#include <ranges>

#include <catch2/catch.hpp>

#include "controller/store.hh"
#include "controller/way_check.hh"
#include "tests/wire/temporary_directory.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

WayQuality quality(Duration round_trip) {
    return {.round_trips = {.least = round_trip, .median = 2 * round_trip}, .mtu = 1500_B};
}

struct World {
    struct Said {
        std::string machine;
        ControlMessage message;
        std::string name;
    };

    struct Result {
        std::string pair;
        std::optional<WayQuality> quality;
        std::string problem;
    };

    explicit World(std::vector<WayCheck::Pair> pairs)
        : check{std::move(pairs), "way-7",
                WayCheck::Outputs{
                    .to_node =
                        [this](const std::string& machine, const ControlMessage& message,
                               const std::string& name) {
                            said.push_back({machine, message, name});
                            return machine != gone;
                        },
                    .measured =
                        [this](const WayCheck::Pair& pair, const std::optional<WayQuality>& found,
                               const std::string& problem) {
                            results.push_back({pair.from + pair.to, found, problem});
                        },
                    .began = [](const WayCheck::Pair&, std::size_t, std::size_t) {},
                    .fresh_key = [] { return std::string(32, 'k'); }},
                now} {}

    bool hear(const std::string& machine, const ControlMessage& message) {
        return check.receive(machine, said.back().name, message, now);
    }

    // What was said last to a machine.
    template <typename Message>
    const Message* last(const std::string& machine) const {
        for (const auto& each : std::ranges::reverse_view{said}) {
            if (each.machine != machine) continue;
            return std::get_if<Message>(&each.message);
        }
        return nullptr;
    }

    void open(const std::string& a, const std::string& b) {
        hear(a, WayOpened{a + ":1"});
        hear(b, WayOpened{b + ":2"});
    }

    Instant now{1h};
    std::string gone;
    std::vector<Said> said;
    std::vector<Result> results;
    WayCheck check;
};

}  // namespace

TEST_CASE("pairs are measured one after another, and the first of a pair tells") {
    World w{{{"a", "b", true}, {"a", "c", false}}};
    REQUIRE(w.said.size() == 2);
    CHECK(w.last<OpenWay>("a") != nullptr);
    CHECK(w.last<OpenWay>("b") != nullptr);
    CHECK(w.last<OpenWay>("c") == nullptr);
    w.open("b", "a");
    const auto* const leads = w.last<MeasureWay>("a");
    REQUIRE(leads != nullptr);
    CHECK(*leads == MeasureWay{"b", "b:1", std::string(32, 'k'), true, true});
    REQUIRE(w.last<MeasureWay>("b") != nullptr);
    CHECK(*w.last<MeasureWay>("b") == MeasureWay{"a", "a:2", std::string(32, 'k'), false, true});
    w.hear("b", WayMeasured{quality(9ms)});  // does not lead
    CHECK(w.results.empty());
    w.hear("a", WayMeasured{quality(5ms)});
    REQUIRE(w.results.size() == 1);
    CHECK(w.results[0].pair == "ab");
    CHECK(w.results[0].quality == quality(5ms));
    CHECK(w.last<EndRun>("b") != nullptr);  // nothing is left there

    w.open("a", "c");
    REQUIRE(w.last<MeasureWay>("c") != nullptr);
    CHECK_FALSE(w.last<MeasureWay>("c")->rates);
    w.hear("a", WayMeasured{quality(6ms)});
    CHECK(w.results.size() == 2);
    CHECK(w.check.finished());
}

TEST_CASE("what fails is told with its reason, and the next pair has its turn") {
    World w{{{"a", "b", true}, {"a", "c", true}}};
    std::string problem;
    SECTION("a machine can't") {
        w.hear("b", NodeFailed{"no UDP port is free"});
        problem = "machine b: no UDP port is free";
    }
    SECTION("a machine says nothing when asked to open its end") {
        w.hear("a", WayOpened{"a:1"});
        w.now = w.check.deadline();
        w.check.tick(w.now);
        problem = "machine b does not answer";
    }
    SECTION("the one that leads never tells") {
        w.open("a", "b");
        w.now += WayCheck::kMeasuringPatience - 1ms;
        w.check.tick(w.now);
        CHECK(w.results.empty());
        w.now += 1ms;
        w.check.tick(w.now);
        problem = "machine a does not answer";
    }
    SECTION("a machine has gone") {
        w.check.node_gone("c", w.now);
        CHECK(w.results.empty());  // not of this pair
        w.check.node_gone("b", w.now);
        problem = "machine b is not connected";
    }
    REQUIRE(w.results.size() == 1);
    CHECK_FALSE(w.results[0].quality);
    CHECK(w.results[0].problem == problem);
    CHECK_FALSE(w.check.finished());
    CHECK(w.last<OpenWay>("c") != nullptr);
}

TEST_CASE("a check of machines that are all gone ends by itself") {
    World w{{{"a", "b", true}, {"b", "c", true}}};
    w.gone = "b";
    w.hear("a", NodeFailed{"ended"});
    REQUIRE(w.results.size() == 2);
    CHECK(w.results[1].problem == "machine b is not connected");
    CHECK(w.check.finished());
}

TEST_CASE("messages of an earlier pair, and of no pair, change nothing") {
    World w{{{"a", "b", true}, {"a", "c", true}}};
    const std::string first = w.said.back().name;
    w.hear("b", NodeFailed{"ended"});
    CHECK(w.check.receive("a", first, WayOpened{"a:1"}, w.now));
    CHECK(w.check.receive("c", w.said.back().name, WayOpened{"c:1"}, w.now));
    CHECK(w.last<MeasureWay>("a") == nullptr);
    CHECK_FALSE(w.check.receive("a", "r-1f2e3d4c", WayOpened{"a:1"}, w.now));
    CHECK_FALSE(w.check.receive("a", "", NodeFailed{"no"}, w.now));
    CHECK(w.results.size() == 1);
}

TEST_CASE("the store keeps the last measurement of each pair") {
    const TemporaryDirectory directory;
    WayInfo way{.from = "a", .to = "b", .quality = quality(5ms), .measured_at = "then"};
    {
        Store store{directory.path()};
        CHECK(store.ways().empty());
        store.set_way(way);
        way.quality->there = MeasuredRate{100_Mbps, 5};
        way.rates_measured_at = "now";
        store.set_way(way);
        store.set_way({.from = "b", .to = "c", .quality = quality(1ms), .measured_at = "then"});
    }
    Store store{directory.path()};
    REQUIRE(store.ways().size() == 2);
    CHECK(store.ways()[0] == way);
    store.remove_machine("c");
    CHECK(store.ways() == std::vector{way});
}
