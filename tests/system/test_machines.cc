// Runs on kernel planes over several machines, joined by VXLAN. The road between machines has a
// delay of its own where the kernel has netem: in User Mode Linux.
#include <algorithm>
#include <csignal>
#include <iostream>
#include <regex>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/system/bpf_programs.hh"
#include "tests/system/cluster_world.hh"
#include "tests/system/iperf_log.hh"
#include "tests/system/ping_log.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

// On each machine one client and, for the other machine's, a server; the clients' flows cross one
// link with room for half of what they want, so that the machines must agree. `far` and `near` are
// 80 ms apart, there and back, and a tenth of what goes there is lost on the way to `lossy`.
constexpr const char* kAcross = R"(
pleat: 1
name: across
duration: 13s
hosts:
  far: {place: m1, run: "ping -n -c 60 -i 0.1 near"}
  near: {place: m2}
  lost: {place: m2, run: "ping -n -q -c 600 -i 0.01 lossy"}
  lossy: {place: m1}
  a: {place: m1, run: "iperf3 -c b -C cubic -t 11 -J", after: [b]}
  b: {place: m2, run: "iperf3 -s", ready: {tcp: 5201}}
  c: {place: m2, run: "iperf3 -c d -C cubic -t 11 -J", after: [d]}
  d: {place: m1, run: "iperf3 -s", ready: {tcp: 5201}}
bridges: [s1, s2]
links:
  - far -- near: 40ms
  - lost -> lossy: 12ms loss=10%
  - lossy -> lost: 12ms
  - a -- s1: 5ms 100Mbps
  - c -- s1: 5ms 100Mbps
  - s1 -- s2: 10ms 20Mbps
  - s2 -- b: 5ms 100Mbps
  - s2 -- d: 5ms 100Mbps
)";

constexpr const char* kSleepers = R"(
pleat: 1
name: sleepers
hosts:
  a: {place: m1, run: sleep 60}
  b: {place: m2, run: sleep 60}
links: [a -- b: 10ms]
)";

// What this machine lacks for kernel planes over machines, by plane; as `doctor` has it.
std::string missing(const Workplace& place, const std::string& plane) {
    const Ended ended = place.run({"doctor", "--json"}, 60s);
    const json told = document(ended.out);
    std::string lacks;
    for (const json& row : told.at("probes")) {
        const std::string name = row.at("name");
        if (name != "data plane " + plane && name != "edt, netem over machines") continue;
        if (row.at("ok") == false) lacks += row.at("text").get<std::string>() + "; ";
    }
    return lacks;
}

double lost_percent(const std::string& log) {
    std::smatch found;
    return std::regex_search(log, found, std::regex{R"(([0-9.]+)% packet loss)"})
               ? std::stod(found[1])
               : -1;
}

// Of iperf3's client (`c`) to its server: the median of the samples in this time.
double allowed_mbps(const json& result, const std::string& source, double from, double to) {
    std::vector<double> allowed;
    for (const json& flow : result.at("flows")) {
        if (flow.at("src") != source) continue;
        for (std::size_t i = 0; i < flow.at("t_s").size(); ++i) {
            const double at = flow.at("t_s")[i];
            if (at < from || at > to || flow.at("allowed_bps")[i].is_null()) continue;
            allowed.push_back(flow.at("allowed_bps")[i].get<double>() / 1e6);
        }
    }
    std::ranges::sort(allowed);
    return allowed.empty() ? 0 : allowed[allowed.size() / 2];
}

}  // namespace

TEST_CASE("kernel planes of two machines: delay, loss and shares are right across a real road") {
    if (!can_make_machines()) return;
    constexpr double kRoadMs = 6;  // there and back
    for (const std::string plane : {"edt", "netem"}) {
        Cluster cluster{2};
        const std::string lacks = missing(cluster.place, plane);
        if (!lacks.empty()) {
            WARN("SKIPPED, this machine can't have " << plane << " over machines: " << lacks);
            continue;
        }
        for (const int i : {1, 2}) {
            const Ended delayed = run_program(
                cluster.place.command({"tc", "-n", "underlay", "qdisc", "add", "dev",
                                       fmt::format("port{}", i), "root", "netem", "delay", "3ms"}));
            INFO(delayed.err);
            REQUIRE(delayed.code == 0);
        }
        const std::string file = cluster.place.write("across.yaml", kAcross);
        const Ended ended = cluster.pleat(
            {"run", file, "--json", "--samples", "100ms", "--data-plane", plane}, 90s);
        INFO(plane << ": " << ended.err);
        REQUIRE(ended.code == 0);
        CHECK(has(ended.err, "neither authenticated nor encrypted"));
        CHECK(has(ended.err, "an MTU of"));
        const json result = document(ended.out);
        CHECK(result.at("data_plane") == plane);
        CHECK(result.at("machines") == json::array({"m1", "m2"}));
        const std::string run = result.at("run");

        const std::vector<double> far = round_trips(cluster.log(run, "far"));
        REQUIRE(far.size() >= 55);
        const double median = far[far.size() / 2];
        const double lost = lost_percent(cluster.log(run, "lost"));
        const double a = settled_mbps(cluster.log(run, "a"), 3.0);
        const double c = settled_mbps(cluster.log(run, "c"), 3.0);
        std::cout << plane << ": round trip " << median << " ms (fastest " << far.front()
                  << ") of 80, the road " << kRoadMs << " ms; lost " << lost << " % of 10; a " << a
                  << ", c " << c << " Mbit/s of " << 10 * 1448.0 / 1514 << ", allowed "
                  << allowed_mbps(result, "a", 5, 11) << ", " << allowed_mbps(result, "c", 5, 11)
                  << "\n";
        // Without the subtraction it would be 86 ms.
        CHECK(median > 79);
        CHECK(median < 82);
        // 60 expected of 600, standard deviation 7.3.
        CHECK(lost > 5.5);
        CHECK(lost < 15);
        CHECK(allowed_mbps(result, "a", 5, 11) == Approx(10).epsilon(0.02));
        CHECK(allowed_mbps(result, "c", 5, 11) == Approx(10).epsilon(0.02));
        // HTB loses what a late timer leaves unspent (test_planes.cc).
        const double used = plane == "netem" ? 0.5 : 0.93;
        for (const double each : {a, c}) {
            CHECK(each < 10 * 1448.0 / 1514 * 1.05);
            CHECK(each > 10 * 1448.0 / 1514 * used);
        }
    }
}

TEST_CASE("a node that is killed leaves no VXLAN, no BPF program and no interface") {
    if (!can_make_machines()) return;
    Cluster cluster{2};
    const std::string lacks = missing(cluster.place, "edt");
    if (!lacks.empty()) {
        WARN("SKIPPED, this machine can't have edt over machines: " << lacks);
        return;
    }
    const std::size_t programs = bpf_programs();
    const std::string run = cluster.submit(cluster.place.write("sleepers.yaml", kSleepers));
    REQUIRE(eventually(40s, [&] { return has(cluster.pleat({"ps"}).out, "running"); }));
    CHECK(bpf_programs() > programs);
    // `ip netns exec` becomes the node: this is its pid.
    REQUIRE(cluster.nodes[0]->signal(SIGKILL));
    static_cast<void>(cluster.nodes[0]->finish());
    static_cast<void>(cluster.pleat({"stop", run}));
    static_cast<void>(cluster.pleat({"wait", run}));
    const Ended cleaned = run_program(cluster.in(1, {our_program("pleat"), "clean"}));
    INFO(cleaned.out << cleaned.err);
    CHECK(cleaned.code == 0);
    CHECK(eventually(10s, [&] { return bpf_programs() <= programs; }));
    // A second node binds the port anew, and the next run works.
    const Ended links = run_program(cluster.in(1, {"ip", "-br", "link"}));
    CHECK_FALSE(has(links.out, "vxlan"));
    cluster.nodes[0].emplace(cluster.node_command(1, ""));
    REQUIRE(cluster.connected(1));
    const Ended again = cluster.pleat(
        {"run", cluster.place.write("sleepers.yaml", kSleepers), "--json", "--set", "1s: quit"});
    INFO(again.err);
    CHECK(again.code == 0);
}

TEST_CASE(
    "where one machine has no VXLAN all have the tunnel, and a forced kernel plane says why") {
    if (!can_make_machines()) return;
    Cluster cluster{0};
    for (const std::size_t i : {1U, 2U}) {
        cluster.nodes.resize(2);
        Command command = cluster.node_command(i, cluster.token());
        if (i == 2) command.arguments.insert(command.arguments.end(), {"--data-plane", "tun"});
        cluster.nodes[i - 1].emplace(command);
        REQUIRE(cluster.connected(i));
    }
    const std::string file = cluster.place.write("sleepers.yaml", kSleepers);
    const Ended chosen = cluster.pleat({"run", file, "--json", "--set", "500ms: quit"});
    INFO(chosen.err);
    REQUIRE(chosen.code == 0);
    CHECK(document(chosen.out).at("data_plane") == "tun");
    const Ended forced = cluster.pleat({"run", file, "--data-plane", "edt"});
    INFO(forced.err);
    CHECK(forced.code == 8);
    CHECK(has(forced.err, "VXLAN"));
    CHECK_FALSE(has(forced.err, "in vain"));
    CHECK(has(forced.err, "tun can"));
}
