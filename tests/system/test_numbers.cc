// What a cluster of four machines, namespaces with a node daemon each, costs and how exact it is:
// the numbers of bench/README.md that need real daemons. As root, on a quiet machine
// (`ctest -L long`). PLEAT_REPEAT=5 for medians of skew and of processor time.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "tests/system/cluster_world.hh"
#include "tests/system/run_database.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace {

constexpr std::size_t kMachines = 4;

int repeats() {
    const char* const text = std::getenv("PLEAT_REPEAT");  // NOLINT(concurrency-mt-unsafe)
    return text == nullptr ? 1 : std::max(1, static_cast<int>(std::strtol(text, nullptr, 10)));
}

// PLEAT_FLOWS="100 200"
std::vector<int> numbers_of_flows() {
    const char* const text = std::getenv("PLEAT_FLOWS");  // NOLINT(concurrency-mt-unsafe)
    std::istringstream words{text == nullptr ? "10 50" : text};
    const std::vector<int> numbers{std::istream_iterator<int>{words}, {}};
    REQUIRE_FALSE(numbers.empty());
    REQUIRE(words.eof());  // there is nothing else in it
    return numbers;
}

std::string load() {
    std::ifstream file{"/proc/loadavg"};
    std::string one;
    file >> one;
    return one;
}

double median(std::vector<double> values) {
    REQUIRE_FALSE(values.empty());
    std::ranges::sort(values);
    return values[values.size() / 2];
}

// bench_metadata.cc has the same: n TCP flows over one link of 100 Mbit/s.
std::string dumbbell(int n) {
    return fmt::format(R"(
pleat: 1
name: dumbbell
duration: 64s
hosts:
  client: {{replicas: {0}, run: "iperf3 -c server-$i -C cubic -t 60", after: [server]}}
  server: {{replicas: {0}, run: "iperf3 -s", ready: {{tcp: 5201}}}}
bridges: [s1, s2]
links:
  - client -- s1: 5ms 100Mbps
  - s1 -- s2: 10ms 100Mbps
  - s2 -- server: 5ms 100Mbps
)",
                       n);
}

// 32 hosts, each of which sends to all others: 992 flows.
constexpr int kHosts = 32;

std::string crowd(const std::string& run) {
    return fmt::format(R"(
pleat: 1
name: crowd
duration: 24s
hosts:
  h: {{replicas: {}, place: spread, run: "{}"}}
  clock: {{place: m1, run: [sh, -c, "for i in $$(seq 30); do sleep 1; echo second $$i; done"]}}
bridges: [s]
links:
  - h -- s: 5ms 100Mbps
  - clock -- s: 5ms 100Mbps
)",
                       kHosts, run);
}

// A hundred changes of a link, 40 ms apart.
std::string changes() {
    std::string text =
        "pleat: 1\nname: changes\nduration: 6s\nhosts:\n  h: {replicas: 8, place: spread, run: "
        "sleep 600}\nbridges: [s1, s2]\nlinks:\n  - h -- s1: 1ms 100Mbps\n  - s1 -- s2: 1ms "
        "100Mbps\nevents:\n";
    for (int i = 0; i < 100; ++i) {
        text += fmt::format("  - {}.{:02}s: set s1--s2 {}Mbps\n", 1 + i / 25, i % 25 * 4, 10 + i);
    }
    return text;
}

struct Said {
    std::uint64_t bytes = 0;
    std::uint64_t messages = 0;
};

Said said(const json& result) {
    Said sum;
    for (const json& machine : result.at("control").at("machines")) {
        sum.bytes += machine.at("bytes_sent").get<std::uint64_t>();
        sum.messages += machine.at("messages_sent").get<std::uint64_t>();
    }
    return sum;
}

// So far: of the main thread, which is the daemon's loop, and of all others: of ZeroMQ's, and of
// the one that moves packets.
struct ProcessorTime {
    Duration loop{};
    Duration others{};
};

ProcessorTime processor_time(pid_t process) {
    ProcessorTime sum;
    const std::string tasks = "/proc/" + std::to_string(process) + "/task";
    for (const auto& task : std::filesystem::directory_iterator{tasks}) {
        std::ifstream file{task.path() / "stat"};
        std::string text{std::istreambuf_iterator<char>{file}, {}};
        // proc(5): fields 14 and 15, in clock ticks; the name in parentheses may have spaces.
        std::istringstream words{text.substr(text.rfind(')') + 2)};
        std::vector<std::string> fields{std::istream_iterator<std::string>{words}, {}};
        const long ticks = std::stol(fields.at(11)) + std::stol(fields.at(12));
        const bool main = task.path().filename() == std::to_string(process);
        (main ? sum.loop : sum.others) +=
            Duration{std::chrono::seconds{ticks}} / ::sysconf(_SC_CLK_TCK);
    }
    return sum;
}

// Percent of a core that node daemons took between two seconds that `clock` on m1 has told, their
// medians; and what came of the run.
struct Taken {
    double loop = 0;
    double others = 0;
    json result;
};

Taken take(const Cluster& cluster, const std::string& topology) {
    const std::string file = cluster.place.path("crowd.yaml");
    std::ofstream{file} << topology;
    std::set<std::string> seen;
    std::error_code none;
    for (const auto& entry :
         std::filesystem::directory_iterator{cluster.place.path("m1/runs"), none}) {
        seen.insert(entry.path().filename());
    }
    Program run{cluster.place.pleat({"run", file, "--json", "--samples", "1s", "--data-plane",
                                     "tun", "--controller", cluster.endpoint()})};
    const auto has_told = [&](const std::string& line) {
        return eventually(60s, [&] {
            const std::string runs = cluster.place.path("m1/runs");
            for (const auto& entry : std::filesystem::directory_iterator{runs, none}) {
                // One of a run that has ended says so, too.
                if (seen.contains(entry.path().filename())) continue;
                std::ifstream log{entry.path() / "logs/clock.log"};
                const std::string text{std::istreambuf_iterator<char>{log}, {}};
                if (has(text, line)) return true;
            }
            return false;
        });
    };
    const auto times = [&] {
        std::vector<ProcessorTime> all;
        all.reserve(cluster.nodes.size());
        for (const auto& node : cluster.nodes) all.push_back(processor_time(node->pid()));
        return all;
    };
    REQUIRE(has_told("second 6\n"));
    const Instant from = monotonic_now();
    const std::vector<ProcessorTime> before = times();
    REQUIRE(has_told("second 21\n"));
    const auto passed = static_cast<double>((monotonic_now() - from).count());
    const std::vector<ProcessorTime> after = times();
    std::vector<double> loop;
    std::vector<double> others;
    for (std::size_t i = 0; i < after.size(); ++i) {
        const auto percent = [passed](Duration taken) {
            return 100.0 * static_cast<double>(taken.count()) / passed;
        };
        loop.push_back(percent(after[i].loop - before[i].loop));
        others.push_back(percent(after[i].others - before[i].others));
    }
    Taken taken{.loop = median(loop), .others = median(others), .result = {}};
    const Ended ended = run.finish(60s);
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    taken.result = document(ended.out);
    return taken;
}

}  // namespace

TEST_CASE("control bytes of dumbbells of TCP flows over four machines", "[bytes]") {
    if (!can_make_machines()) return;
    for (const int n : numbers_of_flows()) {
        Cluster cluster{kMachines};
        const std::string before = load();
        const Ended ended = cluster.pleat({"run", cluster.place.write("dumbbell.yaml", dumbbell(n)),
                                           "--json", "--data-plane", "tun"},
                                          180s);
        INFO(ended.err);
        REQUIRE(ended.code == 0);
        const json result = document(ended.out);
        CHECK(result.at("machines").size() == kMachines);
        double mbps = 0;
        for (const json& flow : result.at("flows")) {
            if (!has(flow.at("src"), "client")) continue;
            std::vector<double> rates;
            for (std::size_t i = 0; i < flow.at("t_s").size(); ++i) {
                const double at = flow.at("t_s")[i];
                if (at > 30 && at < 55) rates.push_back(flow.at("measured_bps")[i].get<double>());
            }
            if (!rates.empty()) mbps += median(rates) / 1e6;
        }
        const Said all = said(result);
        const double periodic = 256.0 * 20 * 60 * n;
        WARN(n << " flows: " << all.bytes << " bytes in " << all.messages
               << " messages; periodic / pleat " << periodic / static_cast<double>(all.bytes)
               << "; all flows together " << mbps << " Mbit/s; load average " << before << " to "
               << load());
        CHECK(mbps > 90);
        CHECK(periodic / static_cast<double>(all.bytes) >= 100);
    }
}

TEST_CASE("processor time of node daemons at a thousand steady flows, and at none", "[cpu]") {
    if (!can_make_machines()) return;
    Cluster cluster{kMachines};
    std::vector<double> steady;
    std::vector<double> packets;
    std::vector<double> silent;
    for (int i = 0; i < repeats(); ++i) {
        const std::string before = load();
        const Taken busy = take(
            cluster, crowd(our_program("steady_sender") + " 75 500 $i " + std::to_string(kHosts)));
        std::size_t flowing = 0;
        for (const json& flow : busy.result.at("flows")) {
            const json& rates = flow.at("measured_bps");
            if (rates.size() > 15 && rates[15].get<double>() > 30e3) ++flowing;
        }
        CHECK(flowing > 950);
        const Taken quiet = take(cluster, crowd("sleep 600"));
        steady.push_back(busy.loop);
        packets.push_back(busy.others);
        silent.push_back(quiet.loop + quiet.others);
        WARN(
            fmt::format("{} flows at 15 s, the loop {:.2f} % of a core, other threads {:.2f} %, {} "
                        "messages; silent: {:.2f} + {:.2f} %, {} messages; load average {} to {}",
                        flowing, busy.loop, busy.others, said(busy.result).messages, quiet.loop,
                        quiet.others, said(quiet.result).messages, before, load()));
    }
    WARN("medians: the loop " << median(steady) << " %, other threads " << median(packets)
                              << " %; silent " << median(silent) << " %");
    CHECK(median(silent) < 1);
    CHECK(median(steady) < 5);
}

TEST_CASE("machines in namespaces switch epochs within 2 ms of each other", "[skew]") {
    if (!can_make_machines()) return;
    Cluster cluster{kMachines};
    const std::string file = cluster.place.write("changes.yaml", changes());
    std::vector<double> p99;
    for (int i = 0; i < repeats(); ++i) {
        const std::string before = load();
        const Ended run = cluster.pleat({"run", file, "--json", "--data-plane", "tun"});
        INFO(run.err);
        REQUIRE(run.code == 0);
        const std::string name = document(run.out).at("run");
        const std::vector<Duration> between =
            switch_skews(cluster.place.path("ctl/runs/" + name + "/run.db"));
        REQUIRE(between.size() == 100);
        const auto ms = [](Duration time) { return static_cast<double>(time.count()) * 1e-6; };
        p99.push_back(ms(between[98]));
        WARN("skew p50 " << ms(between[50]) << " ms, p99 " << ms(between[98]) << " ms, most "
                         << ms(between[99]) << " ms; load average " << before);
    }
    WARN("median p99 " << median(p99) << " ms");
    CHECK(median(p99) < 2);
}
