// Hosts that are machines as they are: network namespaces with a pleat-node each. m1 is a host by
// the very address of its control connections, m2 by a second address. Kernel planes only: in User
// Mode Linux.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/system/cluster_world.hh"
#include "tests/system/iperf_log.hh"
#include "tests/system/patterns.hh"
#include "tests/system/ping_log.hh"
#include "tests/system/processes.hh"
#include "tests/wanted_planes.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

constexpr const char* kOne = "10.99.0.11";     // m1's only address
constexpr const char* kOther = "10.99.0.22";   // m2's second one
constexpr const char* kMember = "10.99.0.12";  // m2's control address

constexpr const char* kTwo = R"(
pleat: 1
name: two
hosts:
  a:
    attach: machine:m1
    address: 10.99.0.11
    run: [sh, -c, "iperf3 -c 10.99.0.22 -C cubic -t 4 -J; ping -D -n -c 56 -i 0.05 10.99.0.22"]
    after: [b]
    main: true
    stop: [sh, -c, "exit 3"]
  b:
    attach: machine:m2
    address: 10.99.0.22
    run: iperf3 -s
    ready: {tcp: 5201}
    stop: [sh, -c, "echo goodbye from $$PLEAT_ADDRESS"]
links: [a -- b: 20ms 20Mbps]
events:
  - 5.4s: set a--b 40ms
  - 6.2s: crash b
  - 6.9s: start b
)";

// A process that is not the application's child when the keeper is killed.
constexpr const char* kSleepers = R"(
pleat: 1
name: sleepers
hosts:
  a: {attach: "machine:m1", address: 10.99.0.11, run: [sh, -c, "(sleep 6001 &); sleep 6002"]}
  b: {attach: "machine:m2", address: 10.99.0.22, run: sleep 6003}
links: [a -- b: 20ms 20Mbps loss=1%]
)";

// Of those that are wanted, those that this machine can have, as `doctor` says.
std::vector<std::string> usable_planes(const Workplace& place) {
    const json told = document(place.run({"doctor", "--json"}, 60s).out);
    std::vector<std::string> found;
    for (const std::string plane : {"edt", "netem"}) {
        if (!testing::is_wanted_plane(plane)) continue;
        for (const json& row : told.at("probes")) {
            if (row.at("name") != "data plane " + plane) continue;
            if (row.at("ok") == true) {
                found.push_back(plane);
            } else {
                WARN("SKIPPED, this machine can't have " << plane << ": " << row.at("text"));
            }
        }
    }
    return found;
}

class Machines {
  public:
    Machines() : cluster{2} {
        tool({"ip", "-n", "n2", "addr", "add", std::string{kOther} + "/24", "dev", "eth0"});
        // What an operator has there: m1 a qdisc of his own, m2 a filter.
        tool({"tc", "-n", "n1", "qdisc", "add", "dev", "eth0", "root", "handle", "5:", "pfifo",
              "limit", "777"});
        tool({"tc", "-n", "n2", "qdisc", "add", "dev", "eth0", "clsact"});
        tool({"tc", "-n", "n2", "filter", "add", "dev", "eth0", "egress", "pref", "7", "protocol",
              "ip", "u32", "match", "u32", "0", "0", "classid", "1:1"});
        show_ = cluster.place.write("show",
                                    "qdisc show dev eth0\n"
                                    "filter show dev eth0 egress\n"
                                    "filter show dev eth0 ingress\n");
        look_ = cluster.place.write("look",
                                    "addr show dev eth0\n"
                                    "route show table all\n"
                                    "rule show\n");
        for (const int i : {1, 2}) {
            // Until the kernel is sure of its own IPv6 address.
            REQUIRE(eventually(10s, [&] { return !has(routes(i), "tentative"); }));
            before_.push_back(interface(i));
            routes_.push_back(routes(i));
        }
        REQUIRE(has(routes_[0], "10.99.0.0/24 dev eth0"));
        REQUIRE(has(routes_[0], "lookup main"));
        REQUIRE(has(before_[0], "limit 777p"));
        REQUIRE(has(before_[1], "pref 7"));
    }

    std::string tool(const std::vector<std::string>& words) const {
        const Ended ended = run_program(cluster.place.command(words));
        INFO(words[0] << " " << words[3] << ": " << ended.err);
        REQUIRE(ended.code == 0);
        return ended.out;
    }

    // All of traffic control on eth0, and what else a plane may change.
    std::string interface(int i) const {
        const std::string name = fmt::format("n{}", i);
        // Goes on where there is no clsact to show filters of.
        const std::string text =
            run_program(cluster.place.command({"tc", "-n", name, "-force", "-batch", show_})).out;
        const std::string link = tool({"ip", "-n", name, "-d", "link", "show", "dev", "eth0"});
        const auto found = matches(link, "gso_max_segs ([0-9]+)");
        REQUIRE_FALSE(found.empty());
        return text + "segments " + found[0][1];
    }

    // Addresses, routes and rules of the machine.
    std::string routes(int i) const {
        return tool({"ip", "-n", fmt::format("n{}", i), "-o", "-batch", look_});
    }

    const std::string& routes_before(int i) const {
        return routes_.at(static_cast<std::size_t>(i - 1));
    }

    const std::string& before(int i) const { return before_.at(static_cast<std::size_t>(i - 1)); }

    Cluster cluster;

  private:
    std::string show_;
    std::string look_;
    std::vector<std::string> before_;
    std::vector<std::string> routes_;
};

double median_round_trip(const std::string& log) {
    const std::vector<double> all = round_trips(log);
    INFO(log);
    REQUIRE_FALSE(all.empty());
    return all[all.size() / 2];
}

// What the events of kTwo do to a's pings: 40 ms there and back become 80, and for as long as b is
// cut there are none.
void check_events(const std::string& log) {
    std::vector<double> early;
    std::vector<double> late;
    double silence = 0;
    const std::vector<Ping> all = pings(log);
    INFO(log);
    for (std::size_t i = 0; i < all.size(); ++i) {
        (all[i].rtt_ms < 60 ? early : late).push_back(all[i].rtt_ms);
        if (i > 0) silence = std::max(silence, all[i].at_s - all[i - 1].at_s);
    }
    REQUIRE(early.size() >= 3);
    REQUIRE(late.size() >= 8);
    CHECK(all.front().rtt_ms < 60);
    CHECK(all.back().rtt_ms > 60);
    std::ranges::sort(late);
    std::cout << "after the link's change " << late[late.size() / 2] << " ms of 80; silent for "
              << silence << " s of 0.7\n";
    CHECK(late[late.size() / 2] > 79);
    CHECK(late[late.size() / 2] < 83);
    CHECK(silence > 0.6);
    CHECK(silence < 1.1);
}

// As the ledgers of all runs say.
std::set<pid_t> keepers() {
    std::set<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator{"/run/pleat"}) {
        std::ifstream ledger{entry.path() / "ledger"};
        for (std::string line; std::getline(ledger, line);) {
            std::istringstream words{line};
            std::string kind;
            pid_t pid = 0;
            std::uint64_t ticks = 0;
            std::string role;
            words >> kind >> pid >> ticks >> role;
            if (kind == "process" && role == "keeper") found.insert(pid);
        }
    }
    return found;
}

bool sleeps(const std::string& seconds) {
    return std::ranges::any_of(processes_beneath(::getpid()), [&](const Process& one) {
        return one.command.starts_with("sleep " + seconds);
    });
}

// What can't be had of a machine as it is is said, and nothing is changed.
void check_refusals(Machines& machines) {
    Cluster& cluster = machines.cluster;
    const auto run = [&cluster](const std::string& text, const std::vector<std::string>& flags) {
        std::vector<std::string> words{"run", cluster.place.write("refused.yaml", text)};
        words.insert(words.end(), flags.begin(), flags.end());
        return cluster.pleat(words);
    };
    const Ended tun =
        run("hosts:\n  a: {attach: 'machine:m1', address: 10.99.0.11}\n"
            "  b: {attach: 'machine:m2', address: 10.99.0.12}\nlinks: [a -- b: 1ms]\n",
            {"--data-plane", "tun"});
    INFO(tun.err);
    CHECK(tun.code == 8);
    CHECK(has(tun.err, "attach: machine:NAME can't be had with the data plane tun"));
    const Ended elsewhere =
        run("hosts:\n  a: {attach: 'machine:m1', address: 10.99.0.11}\n"
            "  b: {attach: 'machine:m2', address: 10.99.0.33}\nlinks: [a -- b: 1ms]\n",
            {});
    INFO(elsewhere.err);
    CHECK(elsewhere.code != 0);
    CHECK(has(elsewhere.err, "does not have the address 10.99.0.33"));
    CHECK(has(elsewhere.err, std::string{kMember} + " (eth0)"));
    const Ended mixed =
        run("hosts:\n  a: {attach: 'machine:m1', address: 10.99.0.11}\n"
            "  b:\nlinks: [a -- b: 1ms]\n",
            {});
    INFO(mixed.err);
    CHECK(mixed.code != 0);
    CHECK(has(mixed.err, "host b is not attached"));
    const Ended unknown =
        run("hosts:\n  a: {attach: 'machine:m7', address: 10.99.0.11}\n"
            "  b: {attach: 'machine:m1', address: 10.99.0.12}\n"
            "links: [a -- b: 1ms]\n",
            {});
    INFO(unknown.err);
    CHECK(unknown.code != 0);
    CHECK(has(unknown.err, "m7"));
    for (const int i : {1, 2}) CHECK(machines.interface(i) == machines.before(i));
}

// A run shapes by address, spares what it is to spare, and leaves the machines as they were.
void check_run(const Machines& machines, const std::string& plane, const std::string& two) {
    const Cluster& cluster = machines.cluster;
    const Ended refused = cluster.pleat({"run", two, "--data-plane", plane});
    INFO(refused.err);
    CHECK(refused.code != 0);
    CHECK(has(refused.err, "run with --takeover"));
    for (const int i : {1, 2}) CHECK(machines.interface(i) == machines.before(i));
    Program run{cluster.place.pleat({"run", two, "--json", "--data-plane", plane, "--takeover",
                                     "--controller", cluster.endpoint()})};
    const std::string ours = plane == "edt" ? "fq ed70:" : "htb fffe:";
    REQUIRE(eventually(20s, [&] { return has(machines.interface(1), ours); }));
    CHECK(has(machines.interface(2), "pref 7"));
    // To and from an address that is no host's.
    const Ended near =
        run_program(cluster.in(1, {"ping", "-n", "-c", "3", "-i", "0.1", "10.99.0.10"}));
    CHECK(median_round_trip(near.out) < 10);
    // The ports of control connections are spared, here that of ssh.
    const Program ssh{cluster.in(1, {"iperf3", "-s", "-1", "-p", "22", "--forceflush"})};
    REQUIRE(eventually(10s, [&] { return has(ssh.out(), "listening"); }));
    const Ended spared =
        run_program(cluster.in(2, {"iperf3", "-c", kOne, "-p", "22", "-n", "2M", "-J"}));
    REQUIRE(spared.code == 0);
    // Of all of it nothing is of routing.
    for (const int i : {1, 2}) CHECK(machines.routes(i) == machines.routes_before(i));
    const double spared_mbps =
        json::parse(spared.out)["end"]["sum_received"]["bits_per_second"].get<double>() / 1e6;
    CHECK(spared_mbps > 40);

    const Ended ended = run.finish(60s);
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    const json result = document(ended.out);
    CHECK(result.at("data_plane") == plane);
    const std::string a = cluster.log(result.at("run"), "a");
    const std::string b = cluster.log(result.at("run"), "b");
    check_events(a);
    std::vector<double> early = round_trips(a);
    std::erase_if(early, [](double rtt) { return rtt > 60; });
    const double round_trip = early[early.size() / 2];
    const double mbps = settled_mbps(a, 1.9);
    std::cout << plane << ": round trip " << round_trip << " ms of 40, beside it "
              << median_round_trip(near.out) << " ms; " << mbps << " Mbit/s of "
              << 20 * 1448.0 / 1514 << ", spared " << spared_mbps << "\n";
    CHECK(round_trip > 39);
    CHECK(round_trip < 42);
    // HTB loses what a late timer leaves unspent (test_planes.cc).
    CHECK(mbps > 20 * 1448.0 / 1514 * (plane == "netem" ? 0.5 : 0.93));
    CHECK(mbps < 20 * 1448.0 / 1514 * 1.05);
    CHECK(has(b, std::string{"goodbye from "} + kOther));
    CHECK(has(ended.err, "stop script of host a ended with exit code 3"));
    for (const int i : {1, 2}) {
        CHECK(machines.interface(i) == machines.before(i));
        CHECK(machines.routes(i) == machines.routes_before(i));
    }
}

// When everything of pleat's has been killed, `clean` or the next node daemon puts the machines
// back. m1 has no node daemon afterwards.
void check_killed(Machines& machines, const std::string& plane, const std::string& sleepers) {
    Cluster& cluster = machines.cluster;
    Program run{cluster.place.pleat({"run", sleepers, "--data-plane", plane, "--takeover",
                                     "--controller", cluster.endpoint()})};
    const bool slept = eventually(20s, [&] { return sleeps("6001") && sleeps("6003"); });
    INFO(run.out() << run.err());
    REQUIRE(slept);
    for (const int i : {1, 2}) CHECK(machines.interface(i) != machines.before(i));
    const std::set<pid_t> killed = keepers();
    CHECK(killed.size() == 2);
    for (auto& node : cluster.nodes) REQUIRE(node->signal(SIGKILL));
    REQUIRE(cluster.controller->signal(SIGKILL));
    for (const pid_t keeper : killed) REQUIRE(::kill(keeper, SIGKILL) == 0);
    for (auto& node : cluster.nodes) static_cast<void>(node->finish());
    static_cast<void>(cluster.controller->finish());
    REQUIRE(run.signal(SIGKILL));
    static_cast<void>(run.finish());
    // Nobody is there, and packets are shaped on.
    for (const int i : {1, 2}) CHECK(machines.interface(i) != machines.before(i));

    // By `clean` on one machine, by the next node daemon on the other.
    const Ended cleaned = run_program(cluster.in(1, {our_program("pleat"), "clean"}));
    INFO(cleaned.out << cleaned.err);
    CHECK(cleaned.code == 0);
    CHECK(machines.interface(1) == machines.before(1));
    CHECK(machines.routes(1) == machines.routes_before(1));
    CHECK_FALSE(sleeps("6001"));
    CHECK_FALSE(sleeps("6002"));
    CHECK(machines.interface(2) != machines.before(2));  // it is another machine's
    cluster.start_controller();
    cluster.nodes[1].emplace(cluster.node_command(2, ""));
    REQUIRE(cluster.connected(2));
    CHECK(machines.interface(2) == machines.before(2));
    CHECK(machines.routes(2) == machines.routes_before(2));
    CHECK_FALSE(sleeps("6003"));
}

}  // namespace

// One cluster for all of it: in User Mode Linux it takes seconds to make.
TEST_CASE("two machines are hosts themselves: shaped by address, and left as they were") {
    if (!can_make_machines()) return;
    std::optional<Machines> made;
    timed("machines", [&] { made.emplace(); });
    Machines& machines = *made;
    Cluster& cluster = machines.cluster;
    const std::vector<std::string> planes = usable_planes(cluster.place);
    // They need no plane, and User Mode Linux has no time for them.
    if (planes.empty()) return check_refusals(machines);
    const std::string two = cluster.place.write("two.yaml", kTwo);
    const std::string sleepers = cluster.place.write("sleepers.yaml", kSleepers);
    for (const std::string& plane : planes) {
        INFO(plane);
        timed(plane + " run", [&] { check_run(machines, plane, two); });
        timed(plane + " killed", [&] { check_killed(machines, plane, sleepers); });
        // Also after the last: a controller that is to end waits for the machines of its runs.
        cluster.nodes[0].emplace(cluster.node_command(1, ""));
        REQUIRE(cluster.connected(1));
    }
}
