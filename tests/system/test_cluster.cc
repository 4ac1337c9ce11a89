// Experiments on a cluster of machines. As root.
#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <map>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/system/cluster_world.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

// For 8 s, and their link becomes narrower after 6.
std::string pairs() {
    return three_pairs("8s", "-t 30 -b 80M") + "events:\n  - 6s: set s1--s2 30Mbps\n";
}

// Hosts that only are there for a while; b waits for a host of another machine.
constexpr const char* kSleepers = R"(
pleat: 1
name: sleepers
hosts:
  a: {run: sleep 2, ready: {after: 100ms}, main: true}
  b: {run: sleep 1, after: [a], main: true}
  c: {run: sleep 60}
bridges: [s]
links: [a -- s: 1ms, b -- s: 1ms, c -- s: 1ms]
)";

// Hosts of two machines, by name: 15 ms and 35 ms away. The last one asks; a and b share a link to
// it that has room for half of what they want.
constexpr const char* kAcross = R"(
pleat: 1
name: across
hosts:
  a: {run: "iperf3 -c c -p 5201 -C cubic -t 12 -J", after: [c], main: true}
  b: {run: "iperf3 -c d -p 5201 -C cubic -t 12 -J", after: [d], main: true}
  c: {run: "iperf3 -s", ready: {tcp: 5201}}
  d: {run: "iperf3 -s", ready: {tcp: 5201}}
  e: {run: "ping -c 30 -i 0.1 f", main: true}
  f: {}
bridges: [s1, s2]
links:
  - a -- s1: 5ms 100Mbps
  - b -- s1: 5ms 100Mbps
  - e -- s1: 5ms 100Mbps
  - s1 -- s2: 10ms 20Mbps
  - s2 -- c: 5ms 100Mbps
  - s2 -- d: 5ms 100Mbps
  - e -- f: 25ms 1Gbps
)";

// The flows' shares at a time, by source.
std::map<std::string, double> allowed_at(const json& result, double at) {
    std::map<std::string, double> shares;
    for (const json& flow : result.at("flows")) {
        const std::string source = flow.at("src");
        if (source.find("client") == std::string::npos) continue;
        const json& times = flow.at("t_s");
        for (std::size_t i = 0; i < times.size(); ++i) {
            if (times[i] <= at && !flow.at("allowed_bps")[i].is_null()) {
                shares[source] = flow.at("allowed_bps")[i];
            }
        }
    }
    return shares;
}

}  // namespace

TEST_CASE("flows of three machines share a link by what the machines tell each other") {
    if (!can_make_machines()) return;
    Cluster cluster{3};
    const std::string file = cluster.place.write("pairs.yaml", pairs());
    const Ended ended =
        cluster.pleat({"run", file, "--json", "--samples", "100ms", "--compare-shares"});
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    const json result = document(ended.out);
    CHECK(result.at("machines") == json::array({"m1", "m2", "m3"}));
    CHECK(result.at("hosts").size() == 6);
    // 60 Mbit/s for three equal flows, then 30, on each machine by its own computation.
    for (const auto& [at, share] : {std::pair{5.5, 20e6}, std::pair{7.8, 10e6}}) {
        const std::map<std::string, double> shares = allowed_at(result, at);
        CHECK(shares.size() == 3);
        for (const auto& [source, allowed] : shares) {
            INFO(source << " at " << at);
            CHECK(allowed == Approx(share).epsilon(0.02));
        }
    }
    for (const json& machine : result.at("control").at("machines")) {
        CHECK(machine.at("messages_sent") >= 8);  // heartbeats
        CHECK(machine.at("messages_sent") < 100);
    }
}

TEST_CASE("hosts wait for hosts of other machines, and two experiments at once are apart") {
    if (!can_make_machines()) return;
    Cluster cluster{3};
    const std::string file = cluster.place.write("sleepers.yaml", kSleepers);
    const std::string first = cluster.submit(file);
    const std::string second = cluster.submit(file);
    for (const std::string& run : {first, second}) {
        const Ended waited = cluster.pleat({"wait", run});
        INFO(waited.err);
        CHECK(waited.code == 0);
        const json details = document(cluster.pleat({"inspect", run, "--json"}).out);
        CHECK(details.at("machines") == json::array({"m1", "m2", "m3"}));
        CHECK(details.at("failed") == false);
        const json& hosts = details.at("hosts");
        REQUIRE(hosts.size() == 3);
        CHECK(hosts[0].at("exit_code") == 0);
        CHECK(hosts[1].at("exit_code") == 0);
        CHECK(hosts[2].at("exit_code") == 143);  // was ended with the run
    }
    CHECK(cluster.pleat({"inspect", "r-nobody"}).code == 6);
    CHECK(cluster.pleat({"machines", "check"}).code == 0);
}

TEST_CASE(
    "a machine that is killed during a run is named, with exit code 10, and the others end well") {
    if (!can_make_machines()) return;
    Cluster cluster{3};
    const std::string file = cluster.place.write("pairs.yaml", pairs());
    const std::string run = cluster.submit(file);
    REQUIRE(eventually(20s, [&] { return has(cluster.pleat({"ps"}).out, "running"); }));
    // `ip netns exec` becomes the node: this is its pid.
    REQUIRE(cluster.nodes[1]->signal(SIGKILL));
    const Ended waited = cluster.pleat({"wait", run});
    CHECK(waited.code == 10);
    CHECK(has(waited.err, "machine m2"));
    const json details = document(cluster.pleat({"inspect", run, "--json"}).out);
    CHECK(details.at("hosts").size() == 4);  // of the two that live
    // It comes back without a token, and is of use again.
    cluster.nodes[1].emplace(cluster.node_command(2, ""));
    CHECK(cluster.connected(2));
}

TEST_CASE("a machine without a good token is told so and gets nothing") {
    if (!can_make_machines()) return;
    Cluster cluster{1};
    const auto answer = [&](const std::string& token) {
        Command command = cluster.node_command(1, token);
        std::ranges::replace(command.arguments, cluster.place.path("m1"),
                             cluster.place.path("elsewhere"));
        std::ranges::replace(command.arguments, std::string{"m1"}, std::string{"m9"});
        return run_program(command);
    };
    CHECK(has(answer("nonsense").err, "this is no join string"));
    std::string forged = cluster.token();
    forged.replace(forged.size() - 4, 4, "0000");
    const Ended refused = answer(forged);
    CHECK(refused.code == 1);
    CHECK(has(refused.err, "does not know this token"));
}

TEST_CASE("a controller that is killed and started anew has its machines again") {
    if (!can_make_machines()) return;
    Cluster cluster{2};
    REQUIRE(cluster.controller->signal(SIGKILL));
    static_cast<void>(cluster.controller->finish(10s));
    CHECK(cluster.pleat({"ps"}).code == 7);
    cluster.start_controller();
    CHECK(cluster.connected(1));
    CHECK(cluster.connected(2));
    const std::string file = cluster.place.write("sleepers.yaml", kSleepers);
    const Ended ended = cluster.pleat({"run", file});
    INFO(ended.err);
    CHECK(ended.code == 0);
}

TEST_CASE("a run goes on without its controller, and one that is started anew collects it") {
    if (!can_make_machines()) return;
    Cluster cluster{2};
    const std::string file = cluster.place.write("pairs.yaml", pairs());
    const std::string run = cluster.submit(file);
    REQUIRE(eventually(20s, [&] { return has(cluster.pleat({"ps"}).out, "running"); }));
    const Command wait = cluster.place.pleat({"wait", run, "--controller", cluster.endpoint()});
    std::optional<Program> waiting;
    const auto kill_controller = [&] {
        REQUIRE(cluster.controller->signal(SIGKILL));
        static_cast<void>(cluster.controller->finish(10s));
    };
    SECTION("while the run is under way") {
        waiting.emplace(wait);  // goes on waiting without it
        // Whoever was started after it has had its answer: it is connected by now.
        for (int i = 0; i < 3; ++i) CHECK(cluster.pleat({"ps"}).code == 0);
        kill_controller();
        cluster.start_controller();
        CHECK(has(cluster.pleat({"ps"}).out, "running"));
    }
    SECTION("only after the run has ended everywhere") {
        kill_controller();
        CHECK(cluster.pleat({"ps"}).code == 7);
        CHECK(cluster.pleat({"stop", run}).code == 7);
        const auto ended = [&](int machine) {
            return std::filesystem::exists(
                cluster.place.path(fmt::format("m{}/runs/{}/ended", machine, run)));
        };
        REQUIRE(eventually(30s, [&] { return ended(1) && ended(2); }));
        cluster.start_controller();
        waiting.emplace(wait);
    }
    const Ended waited = waiting->finish(40s);
    INFO(waited.err);
    CHECK(waited.code == 0);
    const Ended inspected = cluster.pleat({"inspect", run, "--json"});
    INFO(inspected.err);
    const json details = document(inspected.out);
    CHECK(details.at("failed") == false);
    CHECK(details.at("machines") == json::array({"m1", "m2"}));
    CHECK(details.at("hosts").size() == 6);
    REQUIRE(details.at("epochs").size() == 2);
    CHECK_FALSE(details.at("epochs")[1].at("late_us").is_null());
    CHECK(details.at("flows").size() >= 4);  // of two pairs; the third is on two machines
    // Nobody needs it any more.
    CHECK_FALSE(std::filesystem::exists(cluster.place.path(fmt::format("m1/runs/{}/ended", run))));
}

TEST_CASE("hosts of different machines talk over paths that are as the topology has them") {
    if (!can_make_machines()) return;
    const std::size_t machines = GENERATE(2U, 4U);
    Cluster cluster{machines};
    const std::string file = cluster.place.write("across.yaml", kAcross);
    // Encrypted the second time.
    const std::string run = cluster.submit(
        file, machines == 4 ? std::vector<std::string>{"--encrypt"} : std::vector<std::string>{});
    const Ended waited = cluster.pleat({"wait", run});
    INFO(machines << " machines: " << waited.err);
    REQUIRE(waited.code == 0);

    // The least: what the machine adds when it is busy is not the path's.
    const std::string pings = cluster.log(run, "e");
    INFO(pings);
    CHECK(has(pings, "30 received"));
    const std::size_t at = pings.find("mdev = ");
    REQUIRE(at != std::string::npos);
    CHECK(std::stod(pings.substr(at + 7)) == Approx(50.0).margin(1.0));

    // Two flows of a 20 Mbit/s link: half each, less headers (1448 of 1514 bytes).
    for (const std::string host : {"a", "b"}) {
        const json result = document(cluster.log(run, host));
        const json& intervals = result.at("intervals");
        REQUIRE(intervals.size() >= 11);
        double sum = 0;  // of the last 8 s
        for (std::size_t i = 4; i < 12; ++i) {
            sum += intervals.at(i).at("sum").at("bits_per_second").get<double>();
        }
        INFO(host << ": " << sum / 8);
        CHECK(sum / 8 == Approx(10e6 * 1448 / 1514).epsilon(0.05));
    }
}

TEST_CASE("hosts of a run under way can be listened to, and told to do things") {
    if (!can_make_machines()) return;
    Cluster cluster{2};
    const std::string file = cluster.place.write("talk.yaml", R"(
pleat: 1
name: talk
hosts:
  a: {run: sh -c "echo from a; exec sleep 60"}
  b: {run: sh -c "echo from b; exec sleep 60"}
links: [a -- b: 10ms]
)");
    const Ended up = cluster.pleat({"up", file});
    INFO(up.err);
    REQUIRE(up.code == 0);
    const std::string run = up.out.substr(0, up.out.find('\n'));
    for (const std::string host : {"a", "b"}) {
        CHECK(eventually(
            10s, [&] { return cluster.pleat({"logs", host}).out == "from " + host + "\n"; }));
    }
    const Ended ping = cluster.pleat({"exec", "a", "--", "ping", "-c", "2", "-i", "0.1", "b"});
    CHECK(ping.code == 0);
    CHECK(has(ping.out, "2 received"));
    CHECK(cluster.pleat({"exec", "b", "--run", run, "--", "sh", "-c", "exit 7"}).code == 7);
    CHECK(cluster.pleat({"exec", "nobody", "--", "true"}).code == 6);
    CHECK(cluster.pleat({"logs", "a", "--run", "r-nobody"}).code == 6);
    // What it writes is there as it comes, and all of it.
    const std::string go = cluster.place.path("go");
    const std::string script = "echo first; until [ -e " + go + " ]; do sleep 0.1; done; " +
                               R"(head -c 3000000 /dev/zero | tr '\0' x; exit 3)";
    Program talk{cluster.place.pleat(
        {"exec", "a", "--controller", cluster.endpoint(), "--", "sh", "-c", script})};
    CHECK(eventually(10s, [&] { return talk.out() == "first\n"; }));
    CHECK_FALSE(talk.ended());
    cluster.place.write("go", "");
    const Ended talked = talk.finish();
    CHECK(talked.code == 3);
    CHECK(talked.out == "first\n" + std::string(3'000'000, 'x'));

    const Ended down = cluster.pleat({"down", run});
    INFO(down.err);
    CHECK(down.code == 0);
    CHECK(cluster.pleat({"down", run}).code == 0);  // again
    // Collected: they are there without the machines, too.
    const Ended followed = cluster.pleat({"logs", "b", "-f"});
    CHECK(followed.code == 0);
    CHECK(followed.out == "from b\n");
    CHECK(cluster.pleat({"exec", "a", "--", "true"}).code == 6);
}

TEST_CASE("what the way between machines takes is no part of what hosts see") {
    if (!can_make_machines()) return;
    Cluster cluster{2, {.one_way = 10ms}};
    const std::string file = cluster.place.write("far.yaml", R"(
pleat: 1
name: far
hosts:
  a: {run: "ping -c 100 -i 0.05 b", place: m1, main: true}
  c: {run: "ping -c 100 -i 0.05 d", place: m1, main: true}
  b: {place: m2}
  d: {place: m2}
links:
  - a -- b: 25ms 10Mbps
  - c -- d: 2ms 10Mbps
)");
    const std::string run = cluster.submit(file);
    const Ended waited = cluster.pleat({"wait", run});
    INFO(waited.err);
    REQUIRE(waited.code == 0);
    const auto round_trip = [&](const std::string& host) {
        const std::string pings = cluster.log(run, host);
        INFO(pings);
        CHECK(has(pings, "100 received"));
        const std::size_t at = pings.find("mdev = ");
        REQUIRE(at != std::string::npos);
        return std::stod(pings.substr(at + 7));
    };
    CHECK(round_trip("a") == Approx(50.0).margin(1.5));
    CHECK(round_trip("c") == Approx(20.0).margin(1.5));  // it can't be less
}

TEST_CASE("machines whose clocks are days apart start and switch together") {
    if (!can_make_machines()) return;
    Cluster cluster{0};
    // Of a time namespace of its own; exec(2) enters it.
    cluster.before_node[2] = {"unshare", "--time", "--monotonic", "345600"};
    cluster.join(1);
    cluster.join(2);
    const std::string file = cluster.place.write("apart.yaml", R"(
pleat: 1
name: apart
duration: 4s
hosts: {a: {place: m1}, b: {place: m2}}
links: [a -- b: 10ms]
events:
  - 2s: set a--b 20ms
)");
    const Ended ended = cluster.pleat({"run", file, "--json"});
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    const json result = document(ended.out);
    for (const json& machine : result.at("control").at("machines")) {
        CHECK(machine.at("clock_error_us") < 20'000);
    }
    REQUIRE(result.at("epochs").size() == 2);
    CHECK(result.at("epochs")[1].at("late_us") < 100'000);
}

constexpr const char* kPlaced = R"(
pleat: 1
name: placed
hosts:
  a: {run: sleep 1, place: m2, main: true}
  b: {run: sleep 1, place: "label:fast", main: true}
  c: {replicas: 2, run: sleep 1, place: spread, main: true}
bridges: [s]
links: [a -- s: 1ms, b -- s: 1ms, c -- s: 1ms]
)";

TEST_CASE("hosts run where the file places them, and one that no machine is for is refused") {
    if (!can_make_machines()) return;
    Cluster cluster{2};
    CHECK(cluster.pleat({"machines", "label", "m1", "fast"}).code == 0);
    const std::string file = cluster.place.write("placed.yaml", kPlaced);
    const std::string run = cluster.submit(file);
    REQUIRE(cluster.pleat({"wait", run}).code == 0);
    // Each host has its directory where it ran.
    const auto ran_on = [&](const std::string& machine, const std::string& host) {
        return std::filesystem::exists(
            cluster.place.path(machine + "/runs/" + run + "/logs/" + host + ".log"));
    };
    CHECK(ran_on("m2", "a"));
    CHECK_FALSE(ran_on("m1", "a"));
    CHECK(ran_on("m1", "b"));
    CHECK_FALSE(ran_on("m2", "b"));
    CHECK(ran_on("m1", "c[0]") != ran_on("m1", "c[1]"));

    CHECK(cluster.pleat({"machines", "label", "m1", "slow"}).code == 0);
    const Ended refused = cluster.pleat({"submit", file});
    CHECK(refused.code == 1);
    CHECK(has(refused.err, "fast"));
}

// The shares of topologies/dumbbell.yaml, whose head explains them, in Mbit/s; 0: not there.
TEST_CASE("Figure 5.3 over four machines: rates are the closed form's in every interval",
          "[.figure]") {
    if (!can_make_machines()) return;
    Cluster cluster{4};
    const std::string topologies = std::filesystem::current_path().string() + "/topologies";
    const Ended ended = cluster.pleat(
        {"run", topologies + "/dumbbell.yaml", "--json", "--samples", "100ms", "--compare-shares"},
        120s);
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    const json result = document(ended.out);
    CHECK(result.at("machines").size() == 4);
    const std::vector<std::array<double, 3>> shares{
        {60, 0, 0},   {30, 30, 0},  {20, 20, 20}, {17.14, 21.43, 21.43}, {18.46, 18.46, 23.08},
        {20, 20, 20}, {30, 30, 30}, {0, 45, 45}};
    for (const json& flow : result.at("flows")) {
        const std::string source = flow.at("src");
        if (source.find("client") == std::string::npos) continue;
        const auto client = static_cast<std::size_t>(source.at(7) - '0');
        for (std::size_t interval = 0; interval < shares.size(); ++interval) {
            const double share = shares[interval].at(client);
            if (share == 0) continue;
            const double before = interval == 0 ? 0 : shares[interval - 1].at(client);
            const bool halved = share <= before / 2;
            std::vector<double> measured;
            for (std::size_t i = 0; i < flow.at("t_s").size(); ++i) {
                const double at = flow.at("t_s")[i];
                const double begin = 10.0 * static_cast<double>(interval);
                if (at > begin + (halved ? 2 : 1) && at < begin + 9.9) {
                    measured.push_back(flow.at("measured_bps")[i].get<double>() / 1e6);
                }
            }
            REQUIRE(measured.size() > 60);
            double sum = 0;
            for (const double each : measured) sum += each;
            const double error = sum / static_cast<double>(measured.size()) / share - 1;
            std::cout << source << " from " << 10 * interval << " s: share " << share
                      << " Mbit/s, sent " << error * 100 << " % more\n";
            INFO(source << " in interval " << interval);
            CHECK(std::abs(error) <= 0.03);
        }
    }
}
