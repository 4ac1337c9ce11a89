// Clusters whose own network is bad: it delays, loses, doubles and reorders, is cut for a while, or
// has a stranger in it. As root.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/system/cluster_world.hh"
#include "tests/system/flow_samples.hh"
#include "tests/system/patterns.hh"
#include "tests/system/ping_log.hh"
#include "tests/system/run_database.hh"
#include "tests/system/stranger.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

// A flow on each machine of three; all cross one link of 60 Mbps. Only what machines have to tell
// each other leaves them, but for what p sends to q. `b_client`: more of what is said of it.
std::string pairs(const std::string& head, const std::string& b_client = "") {
    std::string hosts = "  p: {place: m1, run: \"ping -n -i 0.2 q\"}\n  q: {place: m2}\n";
    std::string links = "  - s1 -- s2: 10ms 60Mbps\n  - p -- q: 80ms\n";
    for (const auto& [pair, machine] : {std::pair{'a', 1}, {'b', 2}, {'c', 3}}) {
        hosts += fmt::format(
            "  {0}-client: {{place: m{1}, run: \"iperf3 -c {0}-server -u -b 80M --forceflush -t "
            "{2}, after: [{0}-server]}}\n"
            "  {0}-server: {{place: m{1}, run: \"iperf3 -s\", ready: {{tcp: 5201}}}}\n",
            pair, machine, pair == 'b' && !b_client.empty() ? b_client : "60\"");
        links += fmt::format(
            "  - {0}-client -- s1: 5ms 100Mbps\n  - s2 -- {0}-server: 5ms 100Mbps\n", pair);
    }
    return fmt::format("pleat: 1\nname: pairs\n{}hosts:\n{}bridges: [s1, s2]\nlinks:\n{}", head,
                       hosts, links);
}

// One flow in each direction over one link, and a ping: all from machine to machine.
constexpr const char* kAcross = R"(
pleat: 1
name: across
duration: 9s
hosts:
  a: {place: m1, run: "iperf3 -c b -C cubic -t 60", after: [b]}
  b: {place: m2, run: "iperf3 -s", ready: {tcp: 5201}}
  c: {place: m1, run: "iperf3 -c d -C cubic -t 60", after: [d]}
  d: {place: m2, run: "iperf3 -s", ready: {tcp: 5201}}
  e: {place: m1, run: "ping -n -i 0.1 f"}
  f: {place: m2}
bridges: [s1, s2]
links:
  - a -- s1: 5ms 100Mbps
  - c -- s1: 5ms 100Mbps
  - s1 -- s2: 10ms 20Mbps
  - s2 -- b: 5ms 100Mbps
  - s2 -- d: 5ms 100Mbps
  - e -- f: 20ms
)";

Program start_run(const Cluster& cluster, const std::string& file) {
    return Program{cluster.place.pleat({"run", file, "--json", "--samples", "100ms",
                                        "--compare-shares", "--controller", cluster.endpoint()})};
}

// What a host of machine `m` has written so far, in its only run.
std::string written(const Cluster& cluster, std::size_t m, const std::string& host) {
    std::error_code none;
    const std::string runs = cluster.place.path(fmt::format("m{}/runs", m));
    for (const auto& entry : std::filesystem::directory_iterator{runs, none}) {
        std::ifstream file{entry.path() / ("logs/" + host + ".log")};
        return {std::istreambuf_iterator<char>{file}, {}};
    }
    return {};
}

// A flow's shares in this time, in Mbit/s.
std::vector<double> shares(const json& result, const std::string& source, double from, double to) {
    std::vector<double> found;
    for (const FlowSample& sample : flow_samples(result, source, from, to)) {
        found.push_back(sample.allowed_mbps);
    }
    return found;
}

double last_share(const json& result, const std::string& source) {
    const std::vector<double> all = shares(result, source, 0, 1e9);
    return all.empty() ? 0 : all.back();
}

double most_share(const json& result, const std::string& source, double from, double to) {
    const std::vector<double> all = shares(result, source, from, to);
    return all.empty() ? 0 : *std::ranges::max_element(all);
}

// Of each node's log: how many digests of shares were compared with its own.
std::vector<int> compared(const Cluster& cluster) {
    std::vector<int> counts;
    for (const auto& node : cluster.nodes) {
        const auto found = matches(node->err(), "digests of shares compared.* count=([0-9]+)");
        counts.push_back(found.empty() ? -1 : std::stoi(found[0][1]));
    }
    return counts;
}

}  // namespace

TEST_CASE("what a road does to packets is drawn from its seed") {
    const Road road{.one_way = 20ms, .jitter = 40ms, .loss = 0.05, .duplicated = 0.1};
    constexpr int kPackets = 20'000;
    RoadDraws draws{road, 7};
    RoadDraws again{road, 7};
    int lost = 0;
    int doubled = 0;
    Duration sum{};
    for (int i = 0; i < kPackets; ++i) {
        const std::vector<Duration> copies = draws.next();
        REQUIRE(copies == again.next());
        if (copies.empty()) ++lost;
        if (copies.size() == 2) ++doubled;
        for (const Duration takes : copies) {
            REQUIRE(takes >= 20ms);
            REQUIRE(takes <= 60ms);
        }
        if (!copies.empty()) sum += copies[0];
    }
    // Within five standard deviations.
    CHECK(lost == Approx(1000).margin(155));
    CHECK(doubled == Approx(1900).margin(207));
    CHECK(static_cast<double>(sum.count()) / (kPackets - lost) == Approx(40e6).epsilon(0.01));
    RoadDraws plain{Road{.one_way = 3ms}, 1};
    for (int i = 0; i < 100; ++i) CHECK(plain.next() == std::vector<Duration>{3ms});
}

TEST_CASE("over a road that delays, loses, doubles and reorders, shares are the closed form's") {
    if (!can_make_machines()) return;
    Cluster cluster{3, {.one_way = 20ms, .jitter = 40ms, .loss = 0.05, .duplicated = 0.05}};
    const RoadCounts before = cluster.far->counts();
    const std::string file = cluster.place.write(
        "pairs.yaml", pairs("duration: 8s\n") + "events:\n  - 5s: set s1--s2 30Mbps\n");
    const Ended ended = start_run(cluster, file).finish(90s);
    const RoadCounts after = cluster.far->counts();
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    const json result = document(ended.out);
    CHECK(result.at("failed") == false);
    CHECK(result.at("machines") == json::array({"m1", "m2", "m3"}));
    // 60 Mbit/s for three equal flows, then 30, on each machine by its own computation.
    for (const std::string source : {"a-client", "b-client", "c-client"}) {
        INFO(source);
        for (const double share : shares(result, source, 3.5, 4.9)) {
            CHECK(share == Approx(20).epsilon(0.02));
        }
        CHECK(shares(result, source, 3.5, 4.9).size() > 10);
        for (const double share : shares(result, source, 5.2, 7.9)) {
            CHECK(share == Approx(10).epsilon(0.02));
        }
    }
    // The road was as bad as it should be, and what machines computed was compared meanwhile.
    const auto carried = static_cast<double>(after.carried - before.carried);
    std::cout << "carried " << carried << ", lost " << after.lost - before.lost << ", doubled "
              << after.doubled - before.doubled << ", overtaken "
              << after.overtaken - before.overtaken << "; digests compared";
    for (const int count : compared(cluster)) {
        std::cout << " " << count;
        CHECK(count >= 4);
    }
    std::cout << "\n";
    CHECK(carried > 1000);
    CHECK(static_cast<double>(after.lost - before.lost) > 0.02 * carried);
    CHECK(static_cast<double>(after.doubled - before.doubled) > 0.02 * carried);
    CHECK(static_cast<double>(after.overtaken - before.overtaken) > 0.02 * carried);
}

TEST_CASE("two machines that are cut off from each other for a while are one network again") {
    if (!can_make_machines()) return;
    Cluster cluster{3, {.one_way = 2ms}};
    Program run =
        start_run(cluster, cluster.place.write("pairs.yaml", pairs("", "12\", main: true")));
    REQUIRE(eventually(40s, [&] { return has(written(cluster, 2, "b-client"), " 0.00-1."); }));
    cluster.far->cut(Cluster::last_byte(1), Cluster::last_byte(2));
    const auto has_lost = [&](std::size_t node, const std::string& peer) {
        return eventually(10s, [&] {
            return has(cluster.nodes[node]->err(), "silent for three heartbeats peer=" + peer);
        });
    };
    CHECK(has_lost(0, "m2"));
    CHECK(has_lost(1, "m1"));
    const std::size_t before = round_trips(written(cluster, 1, "p")).size();
    cluster.far->mend();
    // Packets of hosts pass again, too.
    CHECK(
        eventually(10s, [&] { return round_trips(written(cluster, 1, "p")).size() > before + 5; }));

    const Ended ended = run.finish(60s);
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    CHECK(cluster.far->counts().cut > 10);
    const json result = document(ended.out);
    CHECK(result.at("failed") == false);
    CHECK(has(ended.err, "machine m2 is not heard any more"));
    CHECK_FALSE(has(cluster.nodes[2]->err(), "silent for three heartbeats"));
    // Who does not hear of one of three flows takes its part; who heard all the time does not.
    for (const std::string source : {"a-client", "b-client"}) {
        INFO(source);
        CHECK(most_share(result, source, 3, 60) == Approx(30).epsilon(0.02));
        CHECK(last_share(result, source) == Approx(20).epsilon(0.02));
    }
    CHECK(most_share(result, "c-client", 3, 60) == Approx(20).epsilon(0.02));
    // The run was as long as its main host, which m1 did not hear of meanwhile.
    for (const json& host : result.at("hosts")) {
        INFO(host.dump());
        if (host.at("name") == "b-client") CHECK(host.at("exit_code") == 0);
    }
    CHECK(shares(result, "a-client", 11, 60).size() > 5);
    for (const int count : compared(cluster)) CHECK(count >= 4);
}

TEST_CASE("what a stranger in the machines' network sends does no harm to a run under way") {
    if (!can_make_machines()) return;
    constexpr std::size_t kStranger = 3;
    constexpr std::size_t kDatagramCounter = 8;  // node/dataplane/tunnel/datagram.hh
    Cluster cluster{2, {.one_way = 1ms}, 1};
    Program run = start_run(cluster, cluster.place.write("across.yaml", kAcross));
    REQUIRE(eventually(40s, [&] { return has(written(cluster, 1, "e"), "icmp_seq=15 "); }));
    const std::vector<pid_t> daemons{cluster.controller->pid(), cluster.nodes[0]->pid(),
                                     cluster.nodes[1]->pid()};
    std::vector<Holdings> before;
    before.reserve(daemons.size());
    for (const pid_t daemon : daemons) before.push_back(holdings(daemon));

    // The way between machines is measured meanwhile, so its ports are open, too.
    Program check{cluster.place.pleat({"machines", "check", "--controller", cluster.endpoint()})};
    std::vector<IpPacket> replayed = cluster.far->overheard();
    REQUIRE(replayed.size() > 100);
    std::size_t tcp = 0;
    std::size_t udp = 0;
    std::size_t answers = 0;  // that a host has had when all of it was sent
    {
        Stranger stranger{fmt::format("n{}", kStranger), 5};
        for (int round = 0; round < 3; ++round) {
            for (std::size_t machine = 0; machine < daemons.size(); ++machine) {
                const OpenPorts ports = open_ports(daemons[machine]);
                tcp = std::max(tcp, ports.tcp.size());
                udp = std::max(udp, ports.udp.size());
                stranger.attack(fmt::format("10.99.0.{}", Cluster::last_byte(machine)), ports);
            }
            // In the name of who has sent them: again, with another counter or content, cut short
            // and made longer.
            for (const IpPacket& packet : replayed) {
                cluster.far->inject(packet);
                std::vector<std::uint8_t> content = content_of(packet);
                if (content.size() <= kDatagramCounter) continue;
                // One that would be far ahead of all that come after it.
                std::vector<std::uint8_t> ahead = content;
                ahead[kDatagramCounter] = 0x7f;
                cluster.far->inject(with_content(packet, ahead));
                content[content.size() / 2] ^= 1U;
                cluster.far->inject(with_content(packet, content));
                content.resize(content.size() / 2);
                cluster.far->inject(with_content(packet, content));
                content.resize(9000);
                cluster.far->inject(with_content(packet, content));
            }
        }
        answers = round_trips(written(cluster, 1, "e")).size();
        std::cout << stranger.connections() << " connections, " << stranger.sent_bytes()
                  << " bytes, " << 15 * replayed.size() << " datagrams in another's name\n";
        CHECK(stranger.connections() > 100);
        CHECK(check.finish(30s).code == 0);
        // A second machine of the same name, with a good token.
        Command command = cluster.node_command(1, cluster.token());
        std::ranges::replace(command.arguments, cluster.place.path("m1"),
                             cluster.place.path("elsewhere"));
        std::ranges::replace(command.arguments, std::string{"n1"}, fmt::format("n{}", kStranger));
        const Ended second = run_program(command);
        CHECK(second.code == 1);
        CHECK(has(second.err, "there is a machine m1 already"));
    }
    CHECK(tcp >= 2);
    CHECK(udp >= 1);

    const Ended ended = run.finish(40s);
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    const json result = document(ended.out);
    CHECK(result.at("failed") == false);
    CHECK_FALSE(has(ended.err, "not heard"));
    for (const std::string source : {"a", "c"}) {
        INFO(source);
        for (const double share : shares(result, source, 3, 8.9)) {
            CHECK(share == Approx(10).epsilon(0.02));
        }
        CHECK(shares(result, source, 3, 8.9).size() > 50);
    }
    // Hosts went on hearing each other; no packet came twice, and none that no host had sent.
    const std::string pings = cluster.log(result.at("run"), "e");
    CHECK(round_trips(pings).size() > answers + 5);
    CHECK_FALSE(has(pings, "DUP!"));
    CHECK_FALSE(has(pings, "wrong data"));

    // They did come to the planes.
    const auto dropped = [&](const std::string& counter) {
        const std::string run_db =
            cluster.place.path("ctl/runs/" + result.at("run").get<std::string>() + "/run.db");
        return numbers(run_db,
                       "SELECT sum(value) FROM machine_total WHERE counter = '" + counter + "'")
            .at(0);
    };
    std::cout << dropped("tunnel_replayed_drops") << " replayed and "
              << dropped("tunnel_forged_drops") << " forged datagrams dropped\n";
    CHECK(dropped("tunnel_replayed_drops") > 1000);
    CHECK(dropped("tunnel_forged_drops") > 1000);

    // Nothing is kept of who has gone.
    for (std::size_t i = 0; i < daemons.size(); ++i) {
        INFO("daemon " << i);
        CHECK(eventually(
            10s, [&] { return holdings(daemons[i]).descriptors <= before[i].descriptors + 5; }));
        const Holdings now = holdings(daemons[i]);
        std::cout << "daemon " << i << ": " << (before[i].memory_bytes >> 20U) << " MB then "
                  << (now.memory_bytes >> 20U) << " MB, " << before[i].descriptors << " then "
                  << now.descriptors << " descriptors\n";
        CHECK(now.memory_bytes < before[i].memory_bytes + (std::uint64_t{16} << 20U));
    }
    for (const int count : compared(cluster)) CHECK(count >= 2);
}
