// Events that concern hosts, seen by the applications themselves.
#include <filesystem>
#include <sstream>

#include <catch2/catch.hpp>

#include "base/files.hh"
#include "tests/system/ping_log.hh"
#include "tests/system/workplace.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

// The run's document, and its logs by host.
struct RunOutcome {
    json all;
    std::string directory;

    std::string log(const std::string& host) const {
        return read_file(directory + "/logs/" + host + ".log").value_or("(no log)");
    }

    json host(const std::string& name) const {
        for (const json& one : all.at("hosts")) {
            if (one.at("name") == name) return one;
        }
        return {};
    }
};

RunOutcome run(Workplace& place, const std::string& topology) {
    place.write("t.yaml", topology);
    const Ended ended = place.run({"run", "t.yaml", "--json"});
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    json all = document(ended.out);
    const std::string directory = place.path(all.at("directory"));
    return {.all = std::move(all), .directory = directory};
}

std::size_t count(const std::string& text, const std::string& wanted) {
    std::size_t n = 0;
    for (std::size_t at = text.find(wanted); at != std::string::npos;
         at = text.find(wanted, at + 1)) {
        ++n;
    }
    return n;
}

// The longest time between two lines that are each a number of nanoseconds.
double longest_gap_s(const std::string& log) {
    std::istringstream lines{log};
    double longest = 0;
    double before = 0;
    for (double at = 0; lines >> at; before = at) {
        if (before > 0) longest = std::max(longest, (at - before) / 1e9);
    }
    return longest;
}

}  // namespace

TEST_CASE("crash, stop, restart, start and quit do to applications what they say") {
    if (!can_run_or_skips()) return;
    Workplace place;
    const RunOutcome result = run(place, R"(pleat: 1
name: actions
hosts:
  crashed: {main: true, run: "sh -c 'trap \"echo polite; exit 0\" TERM; echo up; while :; do sleep 0.05; done'"}
  stopped: {run: "sh -c 'trap \"echo polite; exit 5\" TERM; echo up; while :; do sleep 0.05; done'"}
  restarted: {run: "sh -c 'echo up; exec sleep 60'"}
  late: {start: manual, run: "sh -c 'echo up; exec sleep 60'"}
  never: {start: manual, run: "sh -c 'echo up; exec sleep 60'"}
  last: {main: true, run: sleep 60}
bridges: [s1]
links:
  - crashed -- s1: 1ms
  - stopped -- s1: 1ms
  - restarted -- s1: 1ms
  - late -- s1: 1ms
  - never -- s1: 1ms
  - last -- s1: 1ms
events:
  - 0.5s: crash crashed
  - 0.5s: stop stopped
  - 0.6s: restart restarted
  - 0.6s: start late
  - 1.2s: quit
)");
    CHECK(result.log("crashed") == "up\n");
    CHECK(result.host("crashed").at("exit_code") == 137);
    CHECK(has(result.log("stopped"), "polite\n"));
    CHECK(result.host("stopped").at("exit_code") == 5);
    CHECK(count(result.log("restarted"), "up") == 2);
    CHECK(count(result.log("late"), "up") == 1);
    CHECK(result.host("late").at("started_s").get<double>() == Approx(0.6).margin(0.15));
    CHECK(count(result.log("never"), "up") == 0);
    CHECK(result.host("never").at("exit_code").is_null());
}

TEST_CASE("a paused application stands still until it is resumed") {
    if (!can_run_or_skips()) return;
    Workplace place;
    const RunOutcome result = run(place, R"(pleat: 1
name: pause
duration: 2s
hosts:
  a: {run: "sh -c 'while :; do date +%s%N; sleep 0.05; done'"}
  b: {run: "sh -c 'while :; do date +%s%N; sleep 0.05; done'"}
links:
  - a -- b: 1ms
events:
  - 500ms: pause a
  - 1300ms: resume a
)");
    CHECK(longest_gap_s(result.log("a")) == Approx(0.8).margin(0.2));
    CHECK(longest_gap_s(result.log("b")) < 0.5);
    CHECK(count(result.log("a"), "\n") > 5);
}

TEST_CASE("links that go down, partitions and disconnected hosts lose packets for as long") {
    if (!can_run_or_skips()) return;
    Workplace place;
    const std::string event = GENERATE("0.5s..1.1s: down a--s1", "0.5s..1.1s: partition a | b",
                                       "0.5s..1.1s: disconnect b");
    INFO(event);
    const RunOutcome result = run(place, R"(pleat: 1
name: outage
duration: 4s
hosts:
  a: {main: true, run: "ping -n -i 0.1 -c 16 -W 1 b"}
  b: {}
bridges: [s1]
links:
  - a -- s1: 1ms
  - s1 -- b: 1ms
events:
  - )" + event + "\n");
    const std::string log = result.log("a");
    INFO(log);
    // One in 100 ms: six fall into the outage, give or take one at each end.
    const std::size_t answered = count(log, "bytes from");
    CHECK(answered >= 7);
    CHECK(answered <= 12);
    CHECK(has(log, "icmp_seq=2 "));
    CHECK(has(log, "icmp_seq=15 "));
    CHECK_FALSE(has(log, "icmp_seq=9 "));
    CHECK(result.all.at("epochs").size() >= 2);
}

TEST_CASE("what was taken down stays down until it is taken up again") {
    if (!can_run_or_skips()) return;
    Workplace place;
    // One echo in 50 ms; each pair of events takes half a second out of each second.
    const RunOutcome result = run(place, R"(pleat: 1
name: lasting
duration: 8s
hosts:
  a: {main: true, run: "ping -n -D -i 0.05 -c 120 -W 1 b"}
  b: {run: "sh -c 'trap \"echo polite; exit 3\" TERM; echo up; while :; do sleep 0.05; done'"}
bridges: [s1]
links:
  - a -- s1: 1ms
  - s1 -- b: 1ms
events:
  - 0.5s: disconnect b
  - 1s: reconnect b
  - 1.5s: down a--s1
  - 2s: up a--s1
  - 2.5s: partition a | b
  - 3s: heal
  - 3.5s: leave s1
  - 4s: join s1
  - 4.5s: leave b
  - 5s: join b
)");
    INFO(result.log("a"));
    const std::vector<Ping> answered = pings(result.log("a"));
    const std::vector<Outage> down = outages(answered, 3);
    REQUIRE(down.size() == 4);
    for (std::size_t i = 0; i < down.size(); ++i) {
        INFO(i);
        // As long as between two events, and what a ping's interval and a late one add.
        CHECK(down[i].to_s - down[i].from_s == Approx(0.55).margin(0.15));
        CHECK(down[i].from_s - down[0].from_s == Approx(1.0 * static_cast<double>(i)).margin(0.15));
    }
    // A host that leaves ends its application politely; its network is still there.
    CHECK(answered.back().sequence == 120);
    CHECK(has(result.log("b"), "polite\n"));
    CHECK(count(result.log("b"), "up") == 2);
    CHECK(result.all.at("epochs").size() == 9);
}

TEST_CASE("`exec HOST -- CMD` runs in the host's own network and `after:` waits for the ready") {
    if (!can_run_or_skips()) return;
    Workplace place;
    const std::string file = place.path("ready-now");
    const RunOutcome result =
        run(place, R"(pleat: 1
name: order
duration: 1500ms
hosts:
  first: {run: "sh -c 'sleep 0.3; date +%s%N; touch )" +
                       file + R"(; exec sleep 60'", ready: {file: )" + file + R"(}}
  second: {run: "sh -c 'date +%s%N; exec sleep 60'", after: [first]}
links:
  - first -- second: 1ms
events:
  - 500ms: exec second -- sh -c 'hostname; getent ahostsv4 first'
)");
    const double first = std::stod(result.log("first"));
    const double second = std::stod(result.log("second"));
    CHECK(second >= first);
    CHECK(has(result.log("second"), "second"));
    CHECK(has(result.log("second"), "10.0.0.1"));
}
