// Node daemons of a cluster that are killed while a run is under way and started again with the
// same state: the run goes on as if nothing had been, but for what the gap swallowed. As root.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/joined.hh"
#include "tests/system/cluster_world.hh"
#include "tests/system/processes.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

// A host on each machine of three, each of which asks the next one.
constexpr const char* kRing = R"(
pleat: 1
name: ring
duration: 12s
hosts:
  a: {run: "ping -i 0.1 b"}
  b: {run: "ping -i 0.1 c"}
  c: {run: "ping -i 0.1 a"}
bridges: [s]
links: [a -- s: 5ms, b -- s: 5ms, c -- s: 5ms]
events:
  - 10s: set a--s 10ms
)";

// What a host has written so far, wherever it is.
std::string written(const Cluster& cluster, const std::string& host) {
    std::string all;
    for (std::size_t i = 1; i <= cluster.nodes.size(); ++i) {
        std::error_code none;
        const std::string runs = cluster.place.path(fmt::format("m{}/runs", i));
        for (const auto& entry : std::filesystem::directory_iterator{runs, none}) {
            std::ifstream file{entry.path() / ("logs/" + host + ".log")};
            all += std::string{std::istreambuf_iterator<char>{file}, {}};
        }
    }
    return all;
}

// The last answer that the host's ping has had.
int last_answer(const Cluster& cluster, const std::string& host) {
    const std::string text = written(cluster, host);
    const std::size_t at = text.rfind("icmp_seq=");
    return at == std::string::npos ? 0 : std::stoi(text.substr(at + 9));
}

int least_answer(const Cluster& cluster) {
    return std::min(
        {last_answer(cluster, "a"), last_answer(cluster, "b"), last_answer(cluster, "c")});
}

// All three hear each other again: nobody's last answer is older than this.
bool answers_beyond(const Cluster& cluster, int number) {
    return eventually(10s, [&] { return least_answer(cluster) > number; });
}

int most_answer(const Cluster& cluster) {
    return std::max(
        {last_answer(cluster, "a"), last_answer(cluster, "b"), last_answer(cluster, "c")});
}

void kill_node(Cluster& cluster, std::size_t i) {
    // `ip netns exec` becomes the node: this is its pid.
    REQUIRE(cluster.nodes[i - 1]->signal(SIGKILL));
    static_cast<void>(cluster.nodes[i - 1]->finish(10s));
}

void start_node_again(Cluster& cluster, std::size_t i) {
    cluster.nodes[i - 1].emplace(cluster.node_command(i, ""));
}

Program start_run(const Cluster& cluster, const std::string& file,
                  std::vector<std::string> flags = {}) {
    std::vector<std::string> words{"run", file, "--json", "--controller", cluster.endpoint()};
    words.insert(words.end(), flags.begin(), flags.end());
    return Program{cluster.place.pleat(words)};
}

double last_share(const json& result, const std::string& source) {
    double share = 0.0;
    for (const json& flow : result.at("flows")) {
        if (flow.at("src") != source) continue;
        for (const json& allowed : flow.at("allowed_bps")) {
            if (!allowed.is_null()) share = allowed;
        }
    }
    return share;
}

}  // namespace

TEST_CASE(
    "a node of a cluster that is killed, twice, takes its hosts over, and packets flow again") {
    if (!can_make_machines()) return;
    Cluster cluster{3};
    Program run = start_run(cluster, cluster.place.write("ring.yaml", kRing));
    REQUIRE(eventually(30s, [&] { return least_answer(cluster) >= 5; }));
    for (int time = 0; time < 2; ++time) {
        const int before = most_answer(cluster);
        kill_node(cluster, 2);
        start_node_again(cluster, 2);
        REQUIRE(answers_beyond(cluster, before + 5));
    }
    const Ended ended = run.finish(40s);
    INFO(ended.err);
    CHECK(ended.code == 0);
    const json result = document(ended.out);
    CHECK(result.at("failed") == false);
    CHECK(has(result.at("problems").dump(), "took over the run at"));
    CHECK(result.at("hosts").size() == 3);
    CHECK(result.at("epochs").size() == 2);
    // Its part of the log and the outputs have come, too.
    const std::string run_name = result.at("run");
    for (const std::string host : {"a", "b", "c"}) {
        INFO(host);
        CHECK(has(cluster.log(run_name, host), "icmp_seq=3 "));
        CHECK(has(cluster.log(run_name, host), "icmp_seq=100 "));
    }
    CHECK(cluster.place.runtime_directories().empty());
}

TEST_CASE("a machine that the others have counted as lost is back in everybody's shares") {
    if (!can_make_machines()) return;
    Cluster cluster{3};
    Program run = start_run(
        cluster,
        cluster.place.write("pairs.yaml", three_pairs("17s", "-u -t 60 -b 80M --forceflush")),
        {"--samples", "100ms", "--compare-shares"});
    REQUIRE(eventually(30s, [&] { return has(written(cluster, "b-client"), "connected to"); }));
    kill_node(cluster, 2);
    for (const std::size_t other : {0U, 2U}) {
        REQUIRE(eventually(
            10s, [&] { return has(cluster.nodes[other]->err(), "peer lost: silent for three"); }));
    }
    start_node_again(cluster, 2);
    const Ended ended = run.finish(60s);
    INFO(ended.err);
    CHECK(ended.code == 0);
    const json result = document(ended.out);
    CHECK(result.at("failed") == false);
    CHECK(has(result.at("problems").dump(), "took over the run at"));
    for (const std::string source : {"a-client", "b-client", "c-client"}) {
        INFO(source);
        CHECK(last_share(result, source) == Approx(20e6).epsilon(0.02));
    }
}

TEST_CASE("what a node that was killed before T0 has left is gone when it is started again") {
    if (!can_make_machines()) return;
    Cluster cluster{2};
    const std::string file = cluster.place.write("late.yaml", R"(
pleat: 1
name: late
hosts:
  a: {run: "sleep 60", ready: {tcp: 5201}}
  b: {run: "sleep 60", ready: {tcp: 5201}}
bridges: [s]
links: [a -- s: 5ms, b -- s: 5ms]
)");
    Program run = start_run(cluster, file);
    const auto keepers = [&cluster] {
        const auto all = processes_beneath(cluster.nodes[1]->pid());
        return std::ranges::any_of(all, [](const Process& p) { return p.program == "sleep"; });
    };
    REQUIRE(eventually(30s, keepers));
    kill_node(cluster, 2);
    CHECK(run.finish(40s).code != 0);
    start_node_again(cluster, 2);
    REQUIRE(cluster.connected(2));
    INFO(joined(cluster.place.runtime_directories(), " "));
    INFO(cluster.nodes[1]->err());
    CHECK(eventually(10s, [&] { return cluster.place.runtime_directories().empty(); }));
}
