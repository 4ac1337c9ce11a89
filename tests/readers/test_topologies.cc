// All that topologies/ has, and what holds of every file.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/readers/reading.hh"

namespace pleat::testing {

namespace {

std::vector<std::filesystem::path> examples() {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator{"topologies"}) {
        found.push_back(entry.path());
    }
    std::ranges::sort(found);
    return found;
}

// Files that other projects made; not part of this one.
std::optional<std::filesystem::path> data(const std::string& file) {
    const char* const set = std::getenv("PLEAT_DATA");
    auto path = std::filesystem::path{set != nullptr ? set : "../shared/data"} / file;
    if (std::filesystem::exists(path)) return path;
    std::cout << "skipped: there is no " << path << " (PLEAT_DATA)\n";
    return std::nullopt;
}

// A file of many parts, its lines in the order that `random` gives.
std::string shuffled(std::mt19937_64& random) {
    const auto lines = [&random](std::vector<std::string> all) {
        std::ranges::shuffle(all, random);
        std::string text;
        for (const std::string& line : all) text += line + "\n";
        return text;
    };
    return lines({
        "seed: 7",
        "duration: 10m",
        "vars: {d: 5ms}",
        "groups: {west: [a, 'c[0]'], east: [b]}",
        "hosts:\n" + lines({"  a: {run: sleep 1, after: [b, c]}", "  b:", "  c: {replicas: 3}",
                            "  c[1]: {main: true}"}),
        "bridges: [s2, s1]",
        "links:\n" +
            lines({"  - a -- s1: ${d} 1Mbps", "  - c -- s1: 1ms shared", "  - b -- s2: 1ms",
                   "  - s1 -- s2: 10ms", "  - s1 -- s2: 10ms", "  - s1 -- s2: 7ms name=fast"}),
        "expect:\n" + lines({"  - rtt(a -> b) < 5ms", "  - loss(a -> b) < 1%"}),
        "events:\n" +
            lines({"  - 10s..20s: set s1--s2 1ms", "  - 10s..20s: set s1--s2 2ms",
                   "  - 30s: [down a--s1, 'crash c[0]']", "  - 0s..5m poisson 30s: crash c",
                   "  - 0s..5m poisson 30s: exec c -- true", "  - 1m..2m: churn c 50% down=5s",
                   "  - 30s: partition west | east", "  - 15s..16s: flap c--s1 every 100ms"}),
    });
}

}  // namespace

TEST_CASE("every example loads without an error") {
    CHECK(examples().size() >= 8);
    for (const auto& file : examples()) {
        const ReadOutcome outcome = read_scenario(file);
        for (const Problem& problem : outcome.problems) {
            UNSCOPED_INFO(render(problem, false));
            // Only Kollaps' file has something to say about itself.
            if (file.extension() == ".yaml") CHECK(problem.severity != Problem::Severity::warning);
        }
        CAPTURE(file);
        CHECK(outcome.ok());
    }
}

TEST_CASE("what is written of an example is read back equal") {
    for (const auto& file : examples()) {
        CAPTURE(file);
        const ReadOutcome outcome = read_scenario(file);
        REQUIRE(outcome.ok());
        const std::string text = write_yaml(*outcome.scenario);
        const ReadOutcome again = read_yaml(text, "again.yaml", {}, no_files);
        for (const Problem& problem : again.problems) UNSCOPED_INFO(render(problem, false));
        REQUIRE(again.ok());
        CHECK(again.scenario == outcome.scenario);
        CHECK(write_yaml(*again.scenario) == text);
    }
}

TEST_CASE("the dumbbell is that of the thesis") {
    const ReadOutcome outcome = read_scenario("topologies/dumbbell.yaml");
    REQUIRE(outcome.ok());
    const Topology& topology = outcome.scenario->topology;
    CHECK(topology.hosts().size() == 6);
    CHECK(topology.bridges().size() == 2);
    CHECK(topology.links().size() == 14);
    CHECK(lines_of(outcome.scenario->timeline) ==
          Lines{"10000ms start client[1]", "20000ms start client[2]",
                "30000ms set client[0]--s1 10ms", "40000ms set client[1]--s1 10ms",
                "50000ms set client[2]--s1 10ms", "60000ms set s1--s2 90Mbps",
                "70000ms crash client[0]"});
}

TEST_CASE("the order of a file's lines never matters") {
    std::mt19937_64 random{4};
    const Scenario first = scenario_of(shuffled(random));
    for (int i = 0; i < 50; ++i) CHECK(scenario_of(shuffled(random)) == first);
    CHECK(read_yaml(write_yaml(first), "test.yaml").scenario == first);
}

TEST_CASE("odd but good files are written so that they are read back equal") {
    const char* const files[] = {
        "hosts: {a: {run: \"sh -c 'a  \\\"b\\\" $$x ${v}'\", env: {K: '${v}', Q: "
        "\"line\\nbreak\"}}}\nvars: {v: 'x: #y'}\n",
        "hosts: {a: {run: [x, \"\", \"a b\", \"$${x}\", \"it's\"]}, b: }\nlinks: [a -- b: 1ms]\n",
        "hosts: {c: {replicas: 3}, d: {replicas: 2}}\nlinks:\n  - c[0..1] -- d: 1ms shared\n  - "
        "c[2] -- d[1]: up=1Mbps\n",
        "hosts: {c: {replicas: 3}, d: {replicas: 2}}\nlinks:\n  - c -- d: 1ms up=5Mbps down=2Mbps "
        "shared=c name=x\n  - d -- c: 3ms shared=d\n",
        "hosts: {a: , b: }\nlinks:\n  - a -- b: 1ms\n  - a -- b: 1ms\n  - a -> b: 1ms name=x\n"
        "events:\n  - 1s: [set a--b 2ms, set a->b# 3ms, down a--b#x]\n  - 1s: set a--b 2ms\n",
        "hosts: {a: , b: }\nlinks:\n  - a -- b: 0ms loss=gemodel(0.000001%,1e-30,0.333333333,1)\n"
        "events:\n  - 1s: mark \"quote ' and ${x}:#\"\nvars: {x: y}\n",
        "hosts: {a: {image: '[x', cpus: {zone: eu}, tags: [t, s], place: m$i}, b: {place: 'label: "
        "a'}, c: {place: spread}}\nlinks: [a -- b: 1ms, b -- c: 1ms]\n"
        "groups: {g: [a, b]}\nprobes: [ping a -> b every 1s]\n",
    };
    for (const char* text : files) {
        CAPTURE(text);
        const Scenario scenario = scenario_of(text);
        const std::string written = write_yaml(scenario);
        CAPTURE(written);
        const ReadOutcome again = read_yaml(written, "test.yaml", {}, no_files);
        for (const Problem& problem : again.problems) UNSCOPED_INFO(render(problem, false));
        REQUIRE(again.ok());
        CHECK(*again.scenario == scenario);
    }
}

TEST_CASE("4000 nodes load in well under a second, and are written and read back equal") {
    const auto file = data("thesis/scale-free-4000.xml");
    if (!file) return;
    const auto begin = std::chrono::steady_clock::now();
    const ReadOutcome outcome = read_scenario(*file);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    REQUIRE(outcome.ok());
    CHECK(outcome.scenario->topology.hosts().size() == 2668);
    CHECK(outcome.scenario->topology.bridges().size() == 1332);
    CHECK(outcome.scenario->topology.links().size() == 7998);
    CHECK(taken.count() < 1.0);
    std::cout << "scale-free-4000.xml loads in " << taken.count() << " s\n";
    CHECK(read_yaml(write_yaml(*outcome.scenario), file->string()).scenario == outcome.scenario);
}

}  // namespace pleat::testing
