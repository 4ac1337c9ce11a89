// When events happen, and how a run is told of more of them: read from its document and from
// run.db. What is random is the same for the same seed.
#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include <catch2/catch.hpp>
#include <sqlite3.h>

#include "base/files.hh"
#include "tests/system/ping_log.hh"
#include "tests/system/workplace.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

// Instants in whole microseconds.
struct Happened {
    long at_us = 0;
    std::string what;

    friend bool operator==(const Happened&, const Happened&) = default;

    friend std::ostream& operator<<(std::ostream& out, const Happened& happened) {
        return out << happened.at_us << "us " << happened.what;
    }
};

using Schedule = std::vector<Happened>;

long microseconds(const json& seconds) {
    return std::lround(seconds.get<double>() * 1e6);
}

// Epochs after the first, as they were planned; with one line for each event. Checks that
// none was early, or very late.
Schedule epochs(const json& result) {
    Schedule schedule;
    for (const json& epoch : result.at("epochs")) {
        if (epoch.at("epoch") == 0) continue;
        CHECK(epoch.at("late_us").get<double>() >= 0);
        CHECK(epoch.at("late_us").get<double>() < 200'000);
        for (const json& event : epoch.at("events")) {
            schedule.push_back({microseconds(epoch.at("planned_s")), event});
        }
    }
    return schedule;
}

// A query of two columns: nanoseconds and a text.
Schedule ask(const std::string& file, const std::string& query) {
    Schedule schedule;
    sqlite3* database = nullptr;
    REQUIRE(::sqlite3_open_v2(file.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK);
    const auto keep = [](void* rows, int, char** columns, char**) {
        static_cast<Schedule*>(rows)->push_back({std::stol(columns[0]) / 1000, columns[1]});
        return 0;
    };
    REQUIRE(::sqlite3_exec(database, query.c_str(), keep, &schedule, nullptr) == SQLITE_OK);
    ::sqlite3_close(database);
    return schedule;
}

// All events that the node carried out, as they were planned.
Schedule carried_out(const Workplace& place, const json& result) {
    return ask(place.path(result.at("directory").get<std::string>() + "/run.db"),
               "SELECT planned_ns, text FROM event WHERE text <> '' ORDER BY planned_ns, text");
}

// What became of the applications.
Schedule of_host(const Workplace& place, const json& result, const std::string& host) {
    return ask(place.path(result.at("directory").get<std::string>() + "/run.db"),
               "SELECT at_ns, what FROM host_event WHERE what <> 'ready' AND host = (SELECT host "
               "FROM host WHERE name = '" +
                   host + "') ORDER BY position");
}

// Three hosts that sleep and one, behind one bridge.
std::string four_hosts(const std::string& events, const std::string& more = {}) {
    return "pleat: 1\nname: events\n" + more +
           "hosts:\n"
           "  a: {run: sleep 60}\n"
           "  h: {replicas: 3, run: sleep 60}\n"
           "bridges: [s1]\n"
           "links:\n"
           "  - a -- s1: 1ms 10Mbps\n"
           "  - h -- s1: 1ms 10Mbps\n"
           "events:\n" +
           events;
}

json run(const Workplace& place, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"run", "t.yaml", "--json"});
    const Ended ended = place.run(arguments);
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    return document(ended.out);
}

}  // namespace

TEST_CASE("`--repeat 2` makes two runs, one after the other, with a document each") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", four_hosts("  - 100ms: set a--s1 5ms\n  - 300ms: quit\n"));
    const Ended ended = place.run({"run", "t.yaml", "--repeat", "2", "--json"});
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    std::vector<json> results;
    std::istringstream lines{ended.out};
    for (std::string line; std::getline(lines, line);) results.push_back(document(line));
    REQUIRE(results.size() == 2);
    CHECK(results[0].at("run") != results[1].at("run"));
    CHECK(results[0].at("directory") != results[1].at("directory"));
    for (const json& result : results) {
        CHECK(epochs(result) == Schedule{{100'000, "set a--s1 5ms"}});
        CHECK(carried_out(place, result).size() == 2);
    }
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("`--events FILE` takes the events from another file, `--set` adds more") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", four_hosts("  - 100ms: set a--s1 5ms\n  - 30s: quit\n"));
    place.write("other.yaml", "events:\n  - 200ms: set a--s1 6ms\n  - 400ms: quit\n");
    const json result = run(place, {"--no-apps", "--events", "other.yaml", "--set",
                                    "300ms: set a--s1 7ms", "--set", "set h[0]--s1 8ms"});
    CHECK(epochs(result) == Schedule{{200'000, "set a--s1 6ms"}, {300'000, "set a--s1 7ms"}});
    // One without a time belongs to the beginning.
    CHECK(result.at("epochs").at(0).at("events") == json::array({"set h[0]--s1 8ms"}));
}

TEST_CASE("`--var NAME=VALUE` sets a variable of the file, and no other") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", four_hosts("  - 100ms: set a--s1 ${slow}\n  - ${end}: quit\n",
                                     "vars: {slow: 50ms, end: 30s}\n"));
    const json result = run(place, {"--no-apps", "--var", "slow=20ms 1Mbps", "--var", "end=200ms"});
    CHECK(epochs(result) == Schedule{{100'000, "set a--s1 20ms 1Mbps"}});
    const Ended ended = place.run({"run", "t.yaml", "--var", "slwo=20ms"});
    CHECK(ended.code == 3);
    CHECK(has(ended.err, "slwo"));
}

TEST_CASE("what lasts for a while is undone at its end, and applications see both") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", R"(pleat: 1
name: while
hosts:
  a: {main: true, run: "ping -n -D -i 0.05 -c 25 b"}
  b: {}
links:
  - a -- b: 1ms
events:
  - 400ms..800ms: set a--b 30ms
)");
    const json result = run(place, {});
    CHECK(epochs(result) == Schedule{{400'000, "set a--b 30ms"}, {800'000, "undo set a--b 30ms"}});
    const std::string log =
        read_file(place.path(result.at("directory").get<std::string>() + "/logs/a.log"))
            .value_or("(no log)");
    INFO(log);
    const std::vector<Ping> all = pings(log);
    REQUIRE(all.size() == 25);
    const auto slow = [](const Ping& ping) { return ping.rtt_ms >= 31; };
    const auto begin = std::ranges::find_if(all, slow);
    const auto end = std::find_if_not(begin, all.end(), slow);
    REQUIRE(begin != all.begin());
    REQUIRE(end - begin >= 4);
    REQUIRE(end != all.end());
    CHECK(std::none_of(end, all.end(), slow));
    CHECK(std::ranges::any_of(begin, end, [](const Ping& ping) { return ping.rtt_ms >= 60; }));
    CHECK(end->sent_s() - begin->sent_s() == Approx(0.4).margin(0.12));
}

TEST_CASE("`every` repeats from the beginning, the end included") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", four_hosts("  - 100ms..500ms every 200ms: set a--s1 5ms\n"
                                     "  - 200ms..400ms every 200ms: set a--s1 6ms\n"
                                     "  - 100ms..300ms every 100ms: mark tick\n"
                                     "  - 600ms: quit\n"));
    const json result = run(place, {"--no-apps"});
    CHECK(epochs(result) == Schedule{{100'000, "set a--s1 5ms"},
                                     {200'000, "set a--s1 6ms"},
                                     {300'000, "set a--s1 5ms"},
                                     {400'000, "set a--s1 6ms"},
                                     {500'000, "set a--s1 5ms"}});
    const Schedule all = carried_out(place, result);
    for (const long at_us : {100'000, 200'000, 300'000}) {
        CHECK(std::ranges::count(all, Happened{at_us, "mark tick"}) == 1);
    }
}

TEST_CASE("`flap` takes a link down first, and leaves it up") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml",
                four_hosts("  - 100ms..600ms: flap a--s1 every 200ms\n  - 700ms: quit\n"));
    CHECK(epochs(run(place, {"--no-apps"})) == Schedule{{100'000, "down a--s1"},
                                                        {300'000, "undo down a--s1"},
                                                        {500'000, "down a--s1"},
                                                        {600'000, "undo down a--s1"}});
}

TEST_CASE("`poisson` repeats at random, the same for the same seed") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", four_hosts("  - 100ms..600ms poisson 20ms: flap a--s1 every 1ms\n"
                                     "  - 700ms: quit\n"));
    const auto of_seed = [&place](const std::string& seed) {
        const json result = run(place, {"--no-apps", "--seed", seed});
        CHECK(result.at("seed") == std::stoi(seed));
        return epochs(result);
    };
    const Schedule first = of_seed("1");
    CHECK(first == of_seed("1"));
    CHECK(first != of_seed("2"));
    // About 25 times down; six standard deviations of a Poisson number.
    const auto downs = std::ranges::count(first, "down a--s1", &Happened::what);
    CHECK(downs >= 1);
    CHECK(downs <= 55);
    for (const Happened& one : first) {
        CHECK(one.at_us > 100'000);
        CHECK(one.at_us <= 601'000);
    }
}

TEST_CASE("`churn` crashes some hosts and brings them back, the same for the same seed") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", four_hosts("  - 100ms..600ms: churn h 2 down=200ms\n  - 1000ms: quit\n"));
    std::map<std::string, Schedule> planned;
    for (const std::string run_name : {"1", "1 again", "2"}) {
        const json result = run(place, {"--seed", run_name.substr(0, 1)});
        planned[run_name] = carried_out(place, result);
        Schedule restarts;
        for (const Happened& event : planned[run_name]) {
            if (!event.what.starts_with("crash ")) continue;
            const std::string host = event.what.substr(6);
            CHECK(event.at_us >= 100'000);
            CHECK(event.at_us < 600'000);
            restarts.push_back({event.at_us + 200'000, "restart " + host});
            CHECK(std::ranges::count(planned[run_name], restarts.back()) == 1);
            // Its application was killed then, and lives again in the end.
            const Schedule life = of_host(place, result, host);
            REQUIRE(life.size() == 4);
            CHECK(life[0].what == "started");
            CHECK(life[1].what == "exited 137");
            CHECK(std::abs(life[1].at_us - event.at_us) < 100'000);
            CHECK(life[2].what == "started");
            CHECK(std::abs(life[2].at_us - restarts.back().at_us) < 100'000);
            CHECK(life[3].what == "exited 143");  // by the end of the run
        }
        CHECK(restarts.size() == 2);
        CHECK(planned[run_name].size() == 5);
        CHECK(of_host(place, result, "a").size() == 2);
    }
    CHECK(planned["1"] == planned["1 again"]);
    CHECK(planned["1"] != planned["2"]);
    CHECK(place.left_behind() == kNothing);
}
