// What event lines do, and when.
#include <set>

#include "readers/selector.hh"
#include "tests/readers/reading.hh"

using namespace std::chrono_literals;

namespace pleat::testing {

namespace {

Lines events(const std::string& events, std::uint64_t seed = 1) {
    ReadOptions options;
    options.seed = seed;
    return lines_of(scenario_of(small("events:\n" + events), options).timeline);
}

}  // namespace

TEST_CASE("a set of a link changes both directions, under one text") {
    const Scenario scenario = scenario_of(small("events:\n  - 30s: set c[0]--s1 10ms 1.5Mbps\n"));
    REQUIRE(scenario.timeline.size() == 2);
    CHECK(scenario.timeline[0].text == "set c[0]--s1 10ms 1.5Mbps");
    CHECK(scenario.timeline[1].text == "set c[0]--s1 10ms 1.5Mbps");
    const auto& change = std::get<LinkChange>(scenario.timeline[0].event);
    CHECK(scenario.topology.label(change.link) == "c[0]->s1");
    CHECK(change.patch.latency == Duration{10ms});
    CHECK_FALSE(change.patch.loss);
}

TEST_CASE("an arrow selects one direction") {
    const Scenario scenario = scenario_of(small("events:\n  - 30s: set s1->a 10ms\n"));
    REQUIRE(scenario.timeline.size() == 1);
    CHECK(scenario.topology.label(std::get<LinkChange>(scenario.timeline[0].event).link) ==
          "s1->a");
}

TEST_CASE("up= and down= change each direction as it is written") {
    const Scenario scenario =
        scenario_of(small("events:\n  - 30s: set s1 -- a up=1Mbps down=2Mbps\n"));
    for (const TimedEvent& event : scenario.timeline) {
        const auto& change = std::get<LinkChange>(event.event);
        const bool up = scenario.topology.label(change.link) == "s1->a";
        CHECK(change.patch.bandwidth->bits_per_second() == (up ? 1'000'000 : 2'000'000));
        CHECK(event.text == "set s1--a up=1Mbps down=2Mbps");
    }
}

TEST_CASE("patterns select several") {
    CHECK(events("  - 1s: down c[*]--s1\n") ==
          Lines{"1000ms down c[0]--s1", "1000ms down c[1]--s1", "1000ms down c[2]--s1"});
    CHECK(events("  - 1s: down c[1..2] -- s1\n") ==
          Lines{"1000ms down c[1]--s1", "1000ms down c[2]--s1"});
    CHECK(events("  - 1s: crash c[0,2], a\n") ==
          Lines{"1000ms crash a", "1000ms crash c[0]", "1000ms crash c[2]"});
    CHECK(events("  - 1s: leave s*\n") == Lines{"1000ms leave s1", "1000ms leave s2"});
    CHECK(events("  - 1s: down *--s2\n") == Lines{"1000ms down b--s2", "1000ms down s1--s2"});
    CHECK(events("  - 1s: pause c\n").size() == 3);
}

TEST_CASE("tags, names and groups select") {
    const std::string text =
        "hosts: {a: {tags: edge}, b: {tags: [edge, big]}, c: }\n"
        "bridges: {s1: {tags: core}}\n"
        "groups: {both: [a, b]}\n"
        "links:\n"
        "  - a -- s1: 1ms tags=wan\n"
        "  - b -- s1: 1ms\n"
        "  - c -- s1: 1ms name=x\n"
        "  - c -- s1: 2ms name=y\n"
        "events:\n";
    const auto lines = [&](const std::string& line) {
        return lines_of(scenario_of(text + "  - 1s: " + line + "\n").timeline);
    };
    CHECK(lines("down link[tag=wan]") == Lines{"1000ms down a--s1"});
    CHECK(lines("down link[name=x]") == Lines{"1000ms down c--s1#x"});
    CHECK(lines("down c--s1#y") == Lines{"1000ms down c--s1#y"});
    CHECK(lines("down c--s1") == Lines{"1000ms down c--s1#x", "1000ms down c--s1#y"});
    CHECK(lines("crash host[tag=edge]") == Lines{"1000ms crash a", "1000ms crash b"});
    CHECK(lines("leave bridge[tag=core]") == Lines{"1000ms leave s1"});
    CHECK(lines("crash both") == Lines{"1000ms crash a", "1000ms crash b"});
    CHECK(lines("partition both | c") == Lines{"1000ms partition a, b | c"});
}

TEST_CASE("a partition has sorted sides and names whole hosts") {
    const Scenario scenario = scenario_of(small("events:\n  - 1s: partition s2, b | c, a\n"));
    REQUIRE(scenario.timeline.size() == 1);
    CHECK(scenario.timeline[0].text == "partition a, c | b, s2");
    CHECK(std::get<Partition>(scenario.timeline[0].event).sides.size() == 2);
}

TEST_CASE("a line that lasts is laid over and taken off") {
    const Scenario scenario = scenario_of(small("events:\n  - 10s..20s: set a--s1 10ms\n"));
    CHECK(lines_of(scenario.timeline) ==
          Lines{"10000ms+ set a--s1 10ms", "20000ms- set a--s1 10ms"});
    std::set<std::uint32_t> overlays;
    for (const TimedEvent& event : scenario.timeline) overlays.insert(event.overlay);
    CHECK(overlays == std::set<std::uint32_t>{1, 2});
}

TEST_CASE("what a host does for a while is undone by its opposite") {
    CHECK(events("  - 1s..2s: pause a\n") == Lines{"1000ms pause a", "2000ms resume a"});
    CHECK(events("  - 1s..2s: stop a\n") == Lines{"1000ms stop a", "2000ms start a"});
    CHECK(events("  - 1s..2s: crash a\n") == Lines{"1000ms crash a", "2000ms restart a"});
    CHECK(events("  - 1s..2s: leave a\n") == Lines{"1000ms leave a", "2000ms join a"});
    CHECK(events("  - 1s..2s: leave s1\n") == Lines{"1000ms+ leave s1", "2000ms- leave s1"});
    CHECK(events("  - 1s..2s: disconnect a\n") ==
          Lines{"1000ms+ disconnect a", "2000ms- disconnect a"});
}

TEST_CASE("join and leave mean links for bridges, applications for hosts") {
    const Scenario scenario = scenario_of(small("events:\n  - 1s: [leave a, leave s1, join b]\n"));
    REQUIRE(scenario.timeline.size() == 3);
    int vertices = 0;
    for (const TimedEvent& event : scenario.timeline) {
        if (std::holds_alternative<VertexDown>(event.event)) ++vertices;
        if (const auto* action = std::get_if<HostAction>(&event.event)) {
            CHECK((action->kind == HostAction::Kind::stop) == (event.text == "leave a"));
        }
    }
    CHECK(vertices == 1);
}

TEST_CASE("every repeats from the beginning, the end included") {
    CHECK(events("  - 10s..20s every 5s: mark hello\n") ==
          Lines{"10000ms mark hello", "15000ms mark hello", "20000ms mark hello"});
}

TEST_CASE("a link flaps down first, and is up at the end") {
    CHECK(events("  - 10s..12s: flap a--s1 every 500ms\n") ==
          Lines{"10000ms+ down a--s1", "10500ms- down a--s1", "11000ms+ down a--s1",
                "11500ms- down a--s1"});
    CHECK(events("  - 10s: flap a--s1\n") == Lines{"10000ms+ down a--s1", "11000ms- down a--s1"});
    CHECK(events("  - 10s..10700ms: flap a--s1 every 500ms\n") ==
          Lines{"10000ms+ down a--s1", "10500ms- down a--s1"});
}

TEST_CASE("random instants depend on the seed and the rule alone") {
    const std::string rule = "  - 0s..5m poisson 20s: down a--s1\n";
    const std::string other = "  - 0s..5m poisson 20s: down b--s2\n";
    const Lines alone = events(rule);
    CHECK(alone.size() > 5);
    CHECK(alone.size() < 35);
    CHECK(events(rule) == alone);
    CHECK(events(rule, 2) != alone);
    Lines together = events(other + rule);
    std::erase_if(together, [](const std::string& line) { return line.ends_with("b--s2"); });
    CHECK(together == alone);
    // The same rule twice is two streams, one of them as before.
    const Lines twice = events(rule + rule);
    CHECK(twice.size() > alone.size());
    for (const std::string& line : alone) CHECK(std::ranges::find(twice, line) != twice.end());
}

TEST_CASE("churn takes some hosts down, and brings them back") {
    const Lines lines = events("  - 10s: churn c 50% down=3s\n");
    REQUIRE(lines.size() == 4);
    CHECK(lines[0].starts_with("10000ms crash c["));
    CHECK(lines[2].starts_with("13000ms restart c["));
    CHECK(events("  - 10s: churn c 1%\n").size() == 1);
    CHECK(events("  - 10s..20s: churn c 3 down=1s\n").size() == 6);
    CHECK(events("  - 10s: churn c 50% down=3s\n") == lines);
}

TEST_CASE("exec and mark keep their text") {
    const Scenario scenario = scenario_of(
        small("events:\n  - 1s: exec c[0..1] -- sh -c 'echo $i  $HOME'\n  - 2s: mark a  b\n"));
    REQUIRE(scenario.timeline.size() == 3);
    CHECK(std::get<Execute>(scenario.timeline[1].event).arguments ==
          Lines{"sh", "-c", "echo 1  $HOME"});
    CHECK(scenario.timeline[2].text == "mark a  b");
    CHECK(std::get<Mark>(scenario.timeline[2].event).text == "a  b");
}

TEST_CASE("the texts of a timeline are lines that do the same") {
    const Scenario scenario = scenario_of(small(
        "events:\n"
        "  - 1s: ['set c--s1 10ms~1ms loss=1%', 'down link[*]', partition a | b]\n"
        "  - 1s: exec c -- echo $i '$$'\n"
        "  - 2s: [up *--s2, heal, leave c, join s1, disconnect a, 'crash c[1]', mark x, quit]\n"));
    std::vector<TimedEvent> again;
    std::set<std::pair<ExperimentTime, std::string>> done;
    for (const TimedEvent& event : scenario.timeline) {
        if (!done.emplace(event.at, event.text).second) continue;
        const auto parsed = parse_event_line(event.text, scenario, event.at);
        REQUIRE(parsed);
        again.insert(again.end(), parsed->begin(), parsed->end());
    }
    again = canonical(std::move(again));
    CHECK(again == scenario.timeline);
}

TEST_CASE("a line by hand is read at its instant, or refused in one sentence") {
    const Scenario scenario = scenario_of(small("events:\n  - 1s..9s: down a--s1\n"));
    const auto set = parse_event_line("set s1--s2 90Mbps", scenario, ExperimentTime{5s});
    REQUIRE(set);
    REQUIRE(set->size() == 2);
    CHECK(set->front().at == ExperimentTime{5s});
    CHECK(parse_event_line("crsh a", scenario, {}).error().message ==
          "there is no action 'crsh'; did you mean 'crash'?");
    CHECK_FALSE(parse_event_line("", scenario, {}));
    CHECK_FALSE(parse_event_line("trace a--s1 file", scenario, {}));
    // Overlays of its own.
    const auto flap = parse_event_line("flap a--s1", scenario, ExperimentTime{5s});
    REQUIRE(flap);
    for (const TimedEvent& event : *flap) CHECK(event.overlay > 2);
}

namespace {

// "9:10 …" of each warning of events that are otherwise good; lines count from the first.
Lines warnings(const std::string& events) {
    const ReadOutcome outcome = read(small("events:\n" + events));
    REQUIRE(outcome.ok());
    Lines lines;
    for (const Problem& problem : outcome.problems) {
        CHECK(problem.severity == Problem::Severity::warning);
        CHECK(problem.code == "contradiction");
        lines.push_back(std::to_string(problem.line - kSmallLines - 1) + ":" +
                        std::to_string(problem.column) + " " + problem.message);
    }
    return lines;
}

}  // namespace

TEST_CASE("lines that say different things of one field at one instant get a warning") {
    CHECK(warnings("  - 10s: set a--s1 10ms 5Mbps\n"
                   "  - 10s: set a--s1 20ms 5Mbps\n") ==
          Lines{"2:10 at 10s 'set a--s1 20ms 5Mbps' and 'set a--s1 10ms 5Mbps' (line 9, column 10) "
                "differ in one field, latency; which of them holds does not depend on their "
                "order"});
    // Also through patterns, from one list, in one direction, by repetition.
    CHECK(warnings("  - 1s: ['set c[*]--s1 jitter=1ms', 'set s1->c[1] jitter=2ms']\n").size() == 1);
    CHECK(warnings("  - 0s..20s every 5s: set a--s1 10ms\n  - 15s: set a--s1 20ms\n").size() == 1);
    CHECK(warnings("  - 1s: up a--s1\n  - 1s: down a--s1\n").size() == 1);
    CHECK(warnings("  - 1s: leave s1\n  - 1s: join s1\n").size() == 1);
    // Each kind of loss replaces the other.
    CHECK(warnings("  - 1s: set a--s1 loss=1%\n  - 1s: set a--s1 loss=gemodel(1%,10%,0%,100%)\n")
              .size() == 1);
    // While it lasts.
    CHECK(warnings("  - 1s..2s: set a--s1 10ms\n  - 1s..3s: set a--s1 20ms\n").size() == 1);
    // Every field.
    for (const char* const field :
         {"1ms|2ms", "jitter=1ms|jitter=2ms", "loss=1%|loss=2%", "reorder=1%|reorder=2%",
          "duplicate=1%|duplicate=2%", "corrupt=1%|corrupt=2%", "1Mbps|2Mbps",
          "queue=10ms|queue=20ms", "overhead=wire|overhead=ethernet"}) {
        const std::string both{field};
        const auto bar = both.find('|');
        INFO(field);
        CHECK(warnings("  - 1s: set a--s1 " + both.substr(0, bar) + "\n  - 1s: set a--s1 " +
                       both.substr(bar + 1) + "\n")
                  .size() == 1);
    }
    // Of many, each is told once, with one that it contradicts.
    std::string many;
    for (int i = 1; i <= 20; ++i) many += "  - 1s: set s1--s2 " + std::to_string(i) + "ms\n";
    CHECK(warnings(many).size() == 19);
}

TEST_CASE("lines that do not contradict each other get no warning") {
    CHECK(warnings("  - 10s: set a--s1 10ms\n"
                   "  - 10s: set a--s1 10ms\n"
                   "  - 10s: set a--s1 5Mbps\n"
                   "  - 10s: set b--s2 20ms\n"
                   "  - 11s: set a--s1 20ms\n"
                   "  - 10s: set a->s1 loss=1%\n"
                   "  - 10s: set s1->a loss=2%\n"
                   "  - 10s: down a--s1\n"
                   "  - 10s: crash a\n"
                   "  - 10s: start a\n")
              .empty());
    // One lies over the other, and is taken off.
    CHECK(warnings("  - 10s: set a--s1 10ms\n  - 10s..20s: set a--s1 20ms\n").empty());
    CHECK(warnings("  - 10s..20s: set a--s1 20ms\n  - 20s..30s: set a--s1 10ms\n").empty());
    CHECK(warnings("  - 1s..9s: flap a--s1 every 1s\n  - 3s..5s: down a--s1\n").empty());
}

TEST_CASE("globs match as in a shell") {
    CHECK(glob_matches("web-*", "web-1"));
    CHECK(glob_matches("*", ""));
    CHECK(glob_matches("a*b*c", "aXXbYYbc"));
    CHECK(glob_matches("s?", "s1"));
    CHECK_FALSE(glob_matches("s?", "s"));
    CHECK_FALSE(glob_matches("a*b", "abc"));
    CHECK_FALSE(glob_matches("", "a"));
}

}  // namespace pleat::testing
