// Several experiments of one controller, and the verbs about them. As root.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/system/cluster_world.hh"
#include "tests/system/flow_samples.hh"
#include "tests/system/ping_log.hh"
#include "tests/system/small_disk.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

// Two flows from m1 to m2, of 30 and 70 ms round trip, share a link by these: 7 to 3. And a pair
// that asks how far it is.
constexpr const char* kShared = R"(
pleat: 1
name: shared
vars: {rate: 20Mbps, far: 25ms}
duration: 14s
hosts:
  a: {run: "iperf3 -c c -C cubic -t 30", after: [c], place: m1}
  b: {run: "iperf3 -c d -C cubic -t 30", after: [d], place: m1}
  c: {run: "iperf3 -s", ready: {tcp: 5201}, place: m2}
  d: {run: "iperf3 -s", ready: {tcp: 5201}, place: m2}
  e: {run: "ping -c 70 -i 0.1 f", place: m1}
  f: {place: m2}
bridges: [s1, s2]
links:
  - a -- s1: 5ms 100Mbps
  - b -- s1: 25ms 100Mbps
  - s1 -- s2: 5ms ${rate}
  - s2 -- c: 5ms 100Mbps
  - s2 -- d: 5ms 100Mbps
  - e -- f: ${far} 100Mbps
)";

// There for so many seconds, on two machines.
std::string sleepers(int seconds) {
    return fmt::format(R"(
pleat: 1
name: sleepers
hosts:
  a: {{run: sh -c "echo from a; exec sleep {0}", place: m1, main: true}}
  b: {{run: sleep {0}, place: m2, main: true}}
links: [a -- b: 1ms]
)",
                       seconds);
}

// All that a host sends in a time: what it was allowed on the median, and what it sent on average.
void check_rates(const json& result, const std::string& source, std::pair<double, double> window,
                 double share) {
    const std::vector<FlowSample> samples =
        flow_samples(result, source, window.first, window.second);
    INFO(source << " from " << window.first << " s to " << window.second << " s");
    REQUIRE(samples.size() >= 5);
    double sum = 0;
    for (const FlowSample& sample : samples) sum += sample.measured_mbps;
    const double measured = sum / static_cast<double>(samples.size());
    const double allowed = median_allowed_mbps(samples);
    INFO(result.at("run") << ": share " << share << ", allowed " << allowed << ", measured "
                          << measured);
    CHECK(allowed == Approx(share).epsilon(0.05));
    CHECK(measured == Approx(share).epsilon(0.05));
}

// The state of a run, as `ps` has it.
std::string state_of(const Cluster& cluster, const std::string& run) {
    const json runs = document(cluster.pleat({"ps", "--json"}).out);
    for (const json& each : runs.at("runs")) {
        if (each.at("run") == run) return each.at("state");
    }
    return "not there";
}

bool is_running(const Cluster& cluster, const std::string& run) {
    return eventually(20s, [&] { return state_of(cluster, run) == "running"; });
}

void end_controller(Cluster& cluster, int signal) {
    REQUIRE(cluster.controller->signal(signal));
    static_cast<void>(cluster.controller->finish(10s));
}

}  // namespace

TEST_CASE(
    "two experiments at once have their own names, delays and shares, also when a host dies") {
    if (!can_make_machines()) return;
    Cluster cluster{2};
    const std::string file = cluster.place.write("shared.yaml", kShared);
    const std::string first = cluster.submit(file);
    const std::string second = cluster.submit(file, {"--var", "rate=10Mbps", "--var", "far=40ms"});
    REQUIRE(is_running(cluster, first));
    REQUIRE(is_running(cluster, second));
    // A name is one host in one experiment and another in the other.
    for (const auto& [run, least] : {std::pair{first, 50.0}, std::pair{second, 80.0}}) {
        const Ended ping =
            cluster.pleat({"exec", "e", "--run", run, "--", "ping", "-c", "3", "-i", "0.1", "f"});
        INFO(ping.out);
        CHECK(ping.code == 0);
        const std::vector<double> all = round_trips(ping.out);
        REQUIRE(all.size() == 3);
        CHECK(all.front() == Approx(least).margin(2.0));
    }
    // Long enough for shares before.
    REQUIRE(eventually(10s, [&] {
        return has(cluster.pleat({"logs", "e", "--run", first}).out, "icmp_seq=40 ");
    }));
    const Ended crash = cluster.pleat({"do", "crash c", "--run", first, "--json"});
    INFO(crash.err);
    REQUIRE(crash.code == 0);
    const double at = document(crash.out).at("t_s");
    REQUIRE(at < 11.5);  // the rest is for what follows

    std::map<std::string, json> results;
    for (const std::string& run : {first, second}) {
        const Ended waited = cluster.pleat({"wait", run});
        INFO(waited.err);
        CHECK(waited.code == 0);
        results[run] = document(cluster.pleat({"inspect", run, "--json"}).out);
        CHECK(results[run].at("machines") == json::array({"m1", "m2"}));
        CHECK(results[run].at("hosts").size() == 6);
        const std::vector<double> all = round_trips(cluster.log(run, "e"));
        const double least = run == first ? 50 : 80;
        INFO(run << ": " << cluster.log(run, "e"));
        REQUIRE(all.size() == 70);  // none is lost
        CHECK(all.front() == Approx(least).margin(2.0));
        CHECK(all[35] == Approx(least).margin(2.0));
    }
    // One host of the first died: its flow's share went to the other. Nothing changes in the
    // second.
    check_rates(results[first], "b", {at + 1.0, 14.0}, 20);
    check_rates(results[second], "a", {2.0, 13.9}, 7);
    check_rates(results[second], "b", {2.0, 13.9}, 3);
    check_rates(results[second], "a", {at + 0.2, 13.9}, 7);
    check_rates(results[first], "a", {2.0, at - 0.1}, 14);
    check_rates(results[first], "b", {2.0, at - 0.1}, 6);
}

TEST_CASE("a controller on a full disk refuses what it can't keep, and loses no experiment") {
    if (!can_make_machines()) return;
    Cluster cluster{0};
    end_controller(cluster, SIGTERM);
    const SmallDisk disk{cluster.place.path("ctl"), "6m"};
    cluster.start_controller();
    cluster.join(1);
    cluster.join(2);
    const std::string file = cluster.place.write("sleepers.yaml", sleepers(4));
    const std::string first = cluster.submit(file);
    const std::string second = cluster.submit(file);
    REQUIRE(is_running(cluster, first));
    REQUIRE(is_running(cluster, second));

    disk.fill();
    const auto refuses = [&](const std::vector<std::string>& words) {
        const Ended refused = cluster.pleat(words);
        INFO(words.front() << ": " << refused.err);
        CHECK(refused.code == 1);
        const bool says = has(refused.err, "disk is full") || has(refused.err, "No space left") ||
                          has(refused.err, "no space is left");
        CHECK(says);
        CHECK(has(refused.err, cluster.place.path("ctl")));
    };
    refuses({"machines", "token"});
    refuses({"machines", "label", "m1", "fast"});
    refuses({"submit", file});
    CHECK(state_of(cluster, first) == "running");
    CHECK(state_of(cluster, second) == "running");
    for (const std::string& run : {first, second}) {
        const Ended waited = cluster.pleat({"wait", run});
        INFO(waited.err);
        CHECK(waited.code == 1);
        CHECK(has(waited.err, "disk is full"));
        CHECK(state_of(cluster, run) == "failed");
    }

    const bool anew = GENERATE(false, true);
    if (anew) end_controller(cluster, SIGKILL);
    disk.make_room();
    if (anew) {
        // Machines had kept what they knew.
        cluster.start_controller();
        for (const std::string& run : {first, second}) {
            CHECK(cluster.pleat({"wait", run}).code == 0);
        }
    }
    for (const std::string& run : {first, second}) {
        const json details = document(cluster.pleat({"inspect", run, "--json"}).out);
        REQUIRE(details.at("hosts").size() == 2);
        for (const json& host : details.at("hosts")) CHECK(host.at("exit_code") == 0);
        CHECK(eventually(5s, [&] {
            return !std::filesystem::exists(
                cluster.place.path(fmt::format("m1/runs/{}/ended", run)));
        }));
    }
    CHECK(cluster.pleat({"machines", "token"}).code == 0);
    CHECK(cluster.connected(1));
    CHECK(cluster.connected(2));
    const std::string third = cluster.submit(cluster.place.write("short.yaml", sleepers(1)));
    CHECK(cluster.pleat({"wait", third}).code == 0);
}

TEST_CASE("an operator elsewhere gives orders with his key, and a stranger gets nothing") {
    if (!can_make_machines()) return;
    Cluster cluster{1};
    const std::string address = "tcp://10.99.0.10:7400";
    // On another machine, with what that user has.
    const auto as = [&](const std::string& user, std::vector<std::string> words) {
        words.insert(words.begin(),
                     {"env", "XDG_CONFIG_HOME=" + cluster.place.path(user), our_program("pleat")});
        return run_program(cluster.in(1, std::move(words)));
    };
    const auto at = [&](std::vector<std::string> words) {
        words.insert(words.end(), {"--controller", address});
        return words;
    };
    std::string token = cluster.pleat({"machines", "token", "--operator"}).out;
    token.pop_back();
    const Ended joined = as("operator", {"machines", "join", token});
    INFO(joined.err);
    REQUIRE(joined.code == 0);
    CHECK(has(joined.err, "--controller " + address));

    const std::string file = cluster.place.write("long.yaml", R"(
pleat: 1
name: long
hosts: {a: {run: sleep 60}, b: {}}
links: [a -- b: 1ms]
)");
    const Ended submitted = as("operator", at({"submit", file, "--json"}));
    INFO(submitted.err);
    REQUIRE(submitted.code == 0);
    const std::string run = document(submitted.out).at("run");
    const Ended runs = as("operator", at({"ps"}));
    CHECK(has(runs.out, run));
    CHECK(has(runs.out, "submitted"));
    CHECK(has(as("operator", at({"machines", "ls"})).out, "m1"));
    CHECK(as("operator", at({"start", "@"})).code == 0);
    CHECK(as("operator", at({"wait", "@", "--timeout", "100ms"})).code == 124);
    CHECK(as("operator", at({"down", run})).code == 0);

    // The token is used up; who has none is told what to do; a key that is not known is told so.
    const Ended again = as("stranger", {"machines", "join", token});
    CHECK(again.code == 7);
    CHECK(has(again.err, "used already"));
    const Ended keyless = as("stranger", at({"ps"}));
    CHECK(keyless.code == 7);
    CHECK(has(keyless.err, "machines token --operator"));
    const std::string kept = "/pleat/controllers/10.99.0.10:7400";
    std::ifstream original{cluster.place.path("operator") + kept};
    std::string membership{std::istreambuf_iterator<char>{original}, {}};
    const std::size_t secret = membership.find_last_not_of('\n');
    REQUIRE(secret != std::string::npos);
    membership[secret - 10] = membership[secret - 10] == '1' ? '2' : '1';
    std::filesystem::create_directories(cluster.place.path("stranger/pleat/controllers"));
    std::ofstream{cluster.place.path("stranger") + kept} << membership;
    std::filesystem::permissions(cluster.place.path("stranger") + kept,
                                 std::filesystem::perms::owner_read);
    const Ended forged = as("stranger", at({"ps"}));
    INFO(forged.err);
    CHECK(forged.code == 7);
    CHECK(has(forged.err, "does not know our key"));
    CHECK(forged.took < 12s);
    CHECK(forged.out.empty());
}

TEST_CASE("a run is started, listened to, stopped and told of; machines come and go") {
    if (!can_make_machines()) return;
    Cluster cluster{2};
    CHECK(cluster.pleat({"machines", "label", "m1", "fast"}).code == 0);
    const std::string file = cluster.place.write("talk.yaml", R"(
pleat: 1
name: talk
hosts:
  a: {run: sh -c "echo one; sleep 1; echo two; exec sleep 60", place: m1}
  b: {place: m2}
links: [a -- b: 10ms]
)");
    const Ended submitted = cluster.pleat({"submit", file});
    REQUIRE(submitted.code == 0);
    const std::string run = submitted.out.substr(0, submitted.out.find('\n'));
    CHECK(state_of(cluster, run) == "submitted");
    CHECK(cluster.pleat({"start", run.substr(0, 6)}).code == 0);
    REQUIRE(is_running(cluster, run));
    const std::string table = cluster.pleat({"ps"}).out;
    CHECK(has(table, "RUN"));
    CHECK(has(table, "m1,m2"));
    CHECK(has(cluster.pleat({"inspect", "@"}).out, "run " + run + "  talk  running  on m1, m2"));

    Program logs{cluster.place.pleat({"logs", "a", "-f", "--controller", cluster.endpoint()})};
    CHECK(eventually(10s, [&] { return logs.out() == "one\ntwo\n"; }));
    CHECK_FALSE(logs.ended());

    // While it runs a machine with hosts of it stays.
    const Ended refused = cluster.pleat({"machines", "rm", "m1"});
    CHECK(refused.code == 1);
    CHECK(has(refused.err, "machine m1 has hosts of runs under way"));

    CHECK(cluster.pleat({"stop", "@"}).code == 0);
    CHECK(cluster.pleat({"wait", "@"}).code == 130);
    CHECK(logs.finish(10s).code == 0);
    CHECK(state_of(cluster, run) == "interrupted");
    const Ended again = cluster.pleat({"stop", run});
    CHECK(again.code == 0);
    CHECK(has(again.err, "has ended already"));

    const Ended check = cluster.pleat({"machines", "check", "--json"});
    INFO(check.err);
    CHECK(check.code == 0);
    const json all = document(check.out);
    REQUIRE(all.at("machines").size() == 2);
    for (const json& machine : all.at("machines")) {
        INFO(machine);
        CHECK(machine.at("connected") == true);
        CHECK(machine.at("round_trip_us") > 0);
        CHECK(machine.at("round_trip_us") < 100'000);
        CHECK(machine.at("clock_error_us") > 0);
        CHECK(machine.at("clock_error_us") < 100'000);
        CHECK(machine.at("room").is_null());
        CHECK(machine.at("hosts") == 0);
    }
    CHECK(all.at("machines")[0].at("labels") == json::array({"fast"}));
    CHECK(all.at("network").size() == 1);

    // By hand: a string for that machine, and away again.
    const Ended added = cluster.pleat({"machines", "add", "m3"});
    CHECK(added.code == 0);
    CHECK(has(added.out, "pleat-join,tcp://10.99.0.10:7400,"));
    CHECK(has(added.err, "--name m3"));
    CHECK(cluster.pleat({"machines", "rm", "m2"}).code == 0);
    CHECK(document(cluster.pleat({"machines", "ls", "--json"}).out).at("machines").size() == 1);
    const Ended gone = cluster.pleat({"machines", "rm", "m2"});
    CHECK(gone.code == 6);
    CHECK(has(gone.err, "there is no machine m2"));
}
