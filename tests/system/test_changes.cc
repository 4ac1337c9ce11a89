// Changes by hand of runs under way: on one machine, and on several (as root).
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <sstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/system/cluster_world.hh"
#include "tests/system/ping_log.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

constexpr const char* kPinged = R"(
pleat: 1
name: pinged
duration: 60s
hosts:
  a: {run: "ping -D -i 0.05 b", main: true}
  b: {}
bridges: [s1, s2]
links:
  - a -- s1: 1ms
  - s1 -- s2: 4ms 100Mbps
  - s2 -- b: 1ms
events:
  - 50s: set s1--s2 1Mbps
)";

// Three pairs, each from one machine to the next, over one link.
constexpr const char* kRing = R"(
pleat: 1
name: ring
duration: 40s
hosts:
  a: {run: "ping -D -i 0.02 b", place: m1}
  b: {run: "ping -D -i 0.02 c", place: m2}
  c: {run: "ping -D -i 0.02 a", place: m3}
bridges: [s1]
links:
  - a -- s1: 5ms
  - b -- s1: 5ms
  - c -- s1: 5ms
events:
  - 1s: set a--s1 100Mbps
)";

// Of a host's pings, until the last that another one's log tells of.
double longest_silence(const std::string& log, const std::string& other) {
    const std::vector<Ping> all = pings(log);
    REQUIRE_FALSE(all.empty());
    double longest = pings(other).back().at_s - all.back().at_s;
    for (std::size_t i = 1; i < all.size(); ++i) {
        longest = std::max(longest, all[i].at_s - all[i - 1].at_s);
    }
    return longest;
}

// A run of `pleat run` in a workplace, under way.
struct RunUnderWay {
    RunUnderWay(Workplace& its, const std::string& text) : place{its} {
        const std::string file = its.write("changed.yaml", text);
        program.emplace(its.pleat({"run", file, "--json"}));
        // Before T0 there is nothing to change.
        REQUIRE(eventually(20s, [this] { return place.run({"mark", "begun"}).code == 0; }));
    }

    // What a host has written so far.
    std::string log(const std::string& host) const {
        for (const auto& run : std::filesystem::directory_iterator{place.path("pleat-runs")}) {
            std::ifstream file{run.path() / "logs" / (host + ".log")};
            return {std::istreambuf_iterator<char>{file}, {}};
        }
        return {};
    }

    // A ping has been answered after so long.
    bool seen_slower_than(double rtt_ms) const {
        return eventually(
            5s, [&] { return first_sent_slower_than(pings(log("a")), rtt_ms).has_value(); });
    }

    json finish() {
        static_cast<void>(program->signal(SIGINT));
        const Ended ended = program->finish();
        INFO(ended.err);
        return document(ended.out);
    }

    Workplace& place;
    std::optional<Program> program;
};

json change_of(const json& result, std::size_t i) {
    return result.at("changes").at(i);
}

}  // namespace

TEST_CASE("a run on one machine is changed by hand, and what was changed can be taken back") {
    if (!can_run_or_skips()) return;
    Workplace place;
    RunUnderWay run{place, kPinged};
    REQUIRE(run.seen_slower_than(0));
    const Ended slower = place.run({"set", "s1--s2", "34ms", "--json"});
    INFO(slower.err);
    REQUIRE(slower.code == 0);
    const json change = document(slower.out);
    CHECK(change.at("version") == 2);
    CHECK(change.at("missing") == json::array());
    CHECK(change.at("late_us") < 50'000);
    CHECK(run.seen_slower_than(70));  // 72 ms, both ways

    const Ended down = place.run({"link", "down", "s1--s2"});
    REQUIRE(down.code == 0);
    CHECK(has(down.out, "down s1--s2 took effect at t="));
    CHECK(place.run({"do", "up s1--s2", "set s1--s2 loss=0%"}).code == 0);
    CHECK(place.run({"link", "reset", "s1--s2"}).code == 0);
    CHECK(place.run({"partition", "a", "|", "b"}).code == 0);
    CHECK(place.run({"heal"}).code == 0);

    // What makes no sense changes nothing.
    const Ended unknown = place.run({"set", "s1--s9", "34ms"});
    CHECK(unknown.code == 6);
    CHECK(has(unknown.err, "s9"));
    const Ended bad = place.run({"set", "s1--s2", "34parsec"});
    CHECK(bad.code != 0);
    CHECK(has(bad.err, "34parsec"));
    const Ended no_such_run = place.run({"heal", "--run", "r-nonesuch"});
    CHECK(no_such_run.code == 6);
    CHECK(has(no_such_run.err, "there is no run r-nonesuch under way"));

    const json result = run.finish();
    REQUIRE(result.at("changes").size() == 7);
    CHECK(change_of(result, 0).at("events") == json::array({"mark begun"}));
    CHECK(change_of(result, 0).at("version").is_null());
    CHECK(change_of(result, 1).at("events") == json::array({"set s1--s2 34ms"}));
    const std::vector<Ping> all = pings(run.log("a"));
    REQUIRE_FALSE(all.empty());
    CHECK(all.front().rtt_ms < 40);
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("two runs under way: a verb says which there are, and changes the one that is named") {
    if (!can_run_or_skips()) return;
    Workplace place;
    RunUnderWay first{place, kPinged};
    Program second{place.pleat({"run", "changed.yaml", "--json"})};
    REQUIRE(eventually(20s, [&] { return place.run({"heal"}).code == 2; }));
    const Ended which = place.run({"heal"});
    CHECK(has(which.err, "several runs are under way"));
    REQUIRE(eventually(20s, [&] { return place.run({"heal", "--run", "@"}).code == 0; }));
    static_cast<void>(first.finish());
    static_cast<void>(second.signal(SIGINT));
    // Only that of `@`.
    CHECK(document(second.finish().out).at("changes").size() == 1);
    CHECK(place.run({"heal"}).code == 6);
}

TEST_CASE("a change under traffic takes effect on all machines at the announced instant") {
    if (!can_make_machines()) return;
    Cluster cluster{3};
    const std::string file = cluster.place.write("ring.yaml", kRing);
    const std::string run = cluster.submit(file);
    CHECK(cluster.pleat({"set", "s1--a", "7ms", "--run", "r-nonesuch"}).code == 6);
    REQUIRE(eventually(20s, [&] { return cluster.pleat({"mark", "begun"}).code == 0; }));
    std::vector<json> changes;
    for (const char* const latency : {"6ms", "5ms", "45ms"}) {
        const Ended changed = cluster.pleat({"do", fmt::format("set a--s1 {}", latency),
                                             fmt::format("set b--s1 {}", latency),
                                             fmt::format("set c--s1 {}", latency), "--json"});
        INFO(changed.err);
        REQUIRE(changed.code == 0);
        changes.push_back(document(changed.out));
        CHECK(changes.back().at("missing") == json::array());
        CHECK(changes.back().at("late_us") < 50'000);
    }
    for (const char* const host : {"a", "b", "c"}) {
        CHECK(eventually(5s, [&] {
            const std::string log = cluster.pleat({"logs", host}).out;
            return first_sent_slower_than(pings(log), 70).has_value();
        }));
    }
    CHECK(cluster.pleat({"down", run}).code == 0);
    CHECK(changes[2].at("version") == 4);
    // Each machine's host by its own pings, 20 ms apart: when were they first on their way for 90
    // ms more? (The machines have one wall clock.)
    std::vector<double> first;
    for (const char* const host : {"a", "b", "c"}) {
        const auto sent = first_sent_slower_than(pings(cluster.log(run, host)), 70);
        REQUIRE(sent);
        first.push_back(*sent);
    }
    const auto [least, most] = std::ranges::minmax(first);
    std::cerr << fmt::format("first slow pings of three machines: {:.1f} ms apart\n",
                             (most - least) * 1000);
    for (const json& change : changes) {
        std::cerr << fmt::format("change at t={:.3f}s, the latest machine {} us late\n",
                                 change.at("t_s").get<double>(), change.at("late_us").get<int>());
    }
    // Two intervals of pings, one round trip back.
    CHECK(most - least < 0.1);
}

TEST_CASE("a machine that hears others but not the controller is fenced until it has caught up") {
    if (!can_make_machines()) return;
    Cluster cluster{3};
    const std::string file = cluster.place.write("ring.yaml", kRing);
    const std::string run = cluster.submit(file);
    REQUIRE(eventually(20s, [&] { return cluster.pleat({"mark", "begun"}).code == 0; }));
    const auto route = [&](const char* what) {
        return run_program(cluster.place.command(
                               {"ip", "-n", "n0", "route", what, "blackhole", "10.99.0.13/32"}))
            .code;
    };
    REQUIRE(route("add") == 0);
    const Ended changed = cluster.pleat({"set", "a--s1", "9ms", "--json"});
    INFO(changed.err);
    CHECK(changed.code == 1);
    CHECK(has(changed.err, "not on m3"));
    CHECK(document(changed.out).at("missing") == json::array({"m3"}));
    // The others' heartbeats tell it that it has missed something.
    CHECK(eventually(10s, [&] { return has(cluster.nodes[2]->err(), "hosts are cut off"); }));
    CHECK(eventually(10s, [&] {
        const std::string b = cluster.pleat({"logs", "b"}).out;
        return longest_silence(b, cluster.pleat({"logs", "a"}).out) > 0.5;
    }));
    REQUIRE(route("del") == 0);
    REQUIRE(eventually(25s, [&] {
        const json details = document(cluster.pleat({"inspect", run, "--json"}).out);
        return details.at("changes").size() == 2 &&
               details.at("changes").at(1).at("missing") == json::array();
    }));
    CHECK(cluster.pleat({"down", run}).code == 0);
    const json details = document(cluster.pleat({"inspect", run, "--json"}).out);
    CHECK(details.at("failed") == true);
    const std::string problems = details.at("problems").dump();
    INFO(problems);
    CHECK(has(problems, "m3: a change by hand was missed: hosts here were cut from the network"));
    CHECK(details.at("changes").at(1).at("late_us") > 1'000'000);
    // Its host c heard nothing meanwhile, and nobody heard c; all others did.
    const std::string a = cluster.log(run, "a");
    const double fenced = longest_silence(cluster.log(run, "c"), a);
    CHECK(fenced > 0.4);
    CHECK(longest_silence(cluster.log(run, "b"), a) > 0.4);
    CHECK(longest_silence(a, a) < 0.3);
    std::cerr << fmt::format(
        "in force at t={:.3f}s; {:.3f} s of silence of the host of the machine that missed it\n",
        details.at("changes").at(1).at("t_s").get<double>(), fenced);
}
