// Whole runs on each data plane that this machine can have, and the words for those that it
// can't. Also run in User Mode Linux, whose kernel has what all three need.
#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <sstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "base/files.hh"
#include "tests/system/bpf_programs.hh"
#include "tests/system/greeter.hh"
#include "tests/system/patterns.hh"
#include "tests/system/ping_log.hh"
#include "tests/system/processes.hh"
#include "tests/system/run_database.hh"
#include "tests/system/topologies.hh"
#include "tests/system/workplace.hh"
#include "tests/wanted_planes.hh"

using namespace pleat;
using namespace pleat::system_test;

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> plane_names{"edt", "netem", "tun"};
const std::vector<std::string> kernel_planes{"edt", "netem"};

// Nobody can take over; what is in force is held by keepers alone.
void kill_all_but_keepers(const Program& run) {
    run.signal(SIGSTOP);
    for (const Process& process : processes_beneath(run.pid())) {
        if (process.program == "pleat-node" || process.program == "pleat-controller") {
            ::kill(process.pid, SIGKILL);
        }
    }
    run.signal(SIGKILL);
}

// What `doctor` says of this machine; a plane's text is empty when it works.
struct Doctor {
    explicit Doctor(const Workplace& place) {
        const Ended ended = place.run({"doctor", "--json"}, 60s);
        INFO(ended.out << ended.err);
        const nlohmann::json told = document(ended.out);
        if (told.at("data_plane").is_string()) chosen = told.at("data_plane");
        reason = told.at("reason");
        for (const nlohmann::json& row : told.at("probes")) {
            const std::string name = row.at("name");
            if (!name.starts_with("data plane ")) continue;
            missing[name.substr(std::strlen("data plane "))] =
                row.at("ok") == true ? "" : row.at("text").get<std::string>();
        }
    }

    std::string chosen;
    std::string reason;
    std::map<std::string, std::string> missing;
};

// This machine's, asked once.
const Doctor& doctor() {
    static const Doctor asked{Workplace{}};
    return asked;
}

// Of these planes, those that this machine can have; the others are skipped aloud.
std::vector<std::string> possible(const std::vector<std::string>& planes) {
    std::vector<std::string> found;
    for (const std::string& plane : planes) {
        const std::string& missing = doctor().missing.at(plane);
        if (missing.empty()) {
            found.push_back(plane);
        } else {
            WARN("SKIPPED, this machine can't have " << plane << ": " << missing);
        }
    }
    return found;
}

// A run on one plane, in a place of its own.
struct PlaneRun {
    explicit PlaneRun(std::string on) : plane{std::move(on)} {}

    // Named like its directory.
    std::string name() const {
        std::error_code none;
        for (const auto& entry : fs::directory_iterator{place.path("pleat-runs"), none}) {
            return entry.path().filename().string();
        }
        return "";
    }

    std::string database() const { return place.path("pleat-runs/" + name() + "/run.db"); }

    // What a host has written so far.
    std::string log(const std::string& host) const {
        return read_file(place.path("pleat-runs/" + name() + "/logs/" + host + ".log"))
            .value_or("");
    }

    // SIGKILL; nobody notices before the run's own program does.
    void kill_node() const {
        for (const Process& process : processes_beneath(program->pid())) {
            if (process.program == "pleat-node") ::kill(process.pid, SIGKILL);
        }
    }

    std::string plane;
    Workplace place;
    std::optional<Program> program;
};

// The same run on each of these planes, all at the same time: mostly they wait.
std::list<PlaneRun> begin_runs(const std::vector<std::string>& planes, const std::string& topology,
                               const std::vector<std::string>& more = {}) {
    std::list<PlaneRun> runs;
    // Each place sees the machine before the first run is on it.
    for (const std::string& plane : planes) runs.emplace_back(plane);
    for (PlaneRun& run : runs) {
        run.place.write("t.yaml", topology);
        std::vector<std::string> words{"run", "t.yaml", "--data-plane", run.plane};
        words.insert(words.end(), more.begin(), more.end());
        Command command = run.place.pleat(words);
        command.new_session = true;
        run.program.emplace(command);
    }
    return runs;
}

// Goodput of an iperf3 server's log (`-i 0.5 -f k`), in Mbit/s, on average over the lines
// that lie between the two instants of the server's test.
double goodput_mbps(const std::string& log, double from, double to) {
    double sum = 0;
    int count = 0;
    for (const auto& match :
         matches(log, R"(\]\s+([0-9.]+)-([0-9.]+)\s+sec\s.*\s([0-9.]+) Kbits/sec)")) {
        const double begin = std::stod(match[1]);
        const double end = std::stod(match[2]);
        if (begin < from || end > to || end - begin > 0.9) continue;
        sum += std::stod(match[3]) / 1000;
        ++count;
    }
    return count == 0 ? 0 : sum / count;
}

// The share of a client's flow to its server, at the median of the samples between.
double allowed_mbps(const nlohmann::json& results, int client, double from, double to) {
    const std::string number = "[" + std::to_string(client) + "]";
    for (const nlohmann::json& flow : results.at("flows")) {
        if (flow.at("src") != "client" + number || flow.at("dst") != "server" + number) continue;
        std::vector<double> allowed;
        for (std::size_t i = 0; i < flow.at("t_s").size(); ++i) {
            const double at = flow.at("t_s").at(i);
            if (at < from || at > to || flow.at("allowed_bps").at(i).is_null()) continue;
            allowed.push_back(flow.at("allowed_bps").at(i).get<double>() / 1e6);
        }
        if (allowed.empty()) return 0;
        std::ranges::nth_element(allowed, allowed.begin() + std::ssize(allowed) / 2);
        return allowed[allowed.size() / 2];
    }
    return 0;
}

// What the plane let depart for the client, on average over the samples of this time.
double departed_mbps(const nlohmann::json& results, int client, double from, double to) {
    const std::string name = "client[" + std::to_string(client) + "]";
    for (const nlohmann::json& flow : results.at("flows")) {
        if (flow.at("src") != name) continue;
        double sum = 0;
        int samples = 0;
        for (std::size_t i = 0; i < flow.at("t_s").size(); ++i) {
            const double at = flow.at("t_s").at(i).get<double>();
            if (at < from || at > to) continue;
            sum += flow.at("measured_bps").at(i).get<double>() / 1e6;
            ++samples;
        }
        return samples == 0 ? 0 : sum / samples;
    }
    return 0;
}

// Figure 5.3 of the thesis, shortened: three clients behind one bottleneck; the first one's
// round trip becomes longer.
const char* const three_clients = R"(pleat: 1
name: three-clients
duration: 17s
hosts:
  server: {replicas: 3, run: "iperf3 -s -f k -i 0.5 --forceflush", ready: {tcp: 5201}}
  client: {replicas: 3, run: "iperf3 -c server-$i -C cubic -t 100", start: manual}
bridges: [s1, s2]
links:
  - client -- s1: 5ms 100Mbps
  - s1 -- s2: 10ms 60Mbps
  - s2 -- server: 5ms 100Mbps
events:
  0s: start client[0]
  4s: start client[1]
  8s: start client[2]
  13s: set client[0]--s1 10ms
)";

// Payload of a full TCP segment over what a rate counts for it.
constexpr double kGoodput = 1448.0 / 1514.0;

// Of the link between the bridges: 60 Mbit/s and 40 ms.
constexpr double kQueueMegabits = 60 * 0.04;

}  // namespace

TEST_CASE("`doctor` tries every plane and says which one a run would have") {
    REQUIRE(doctor().missing.size() == plane_names.size());
    for (const auto& [plane, missing] : doctor().missing) {
        std::cout << "data plane " << plane << ": " << (missing.empty() ? "works" : missing)
                  << "\n";
    }
    std::string best;
    for (const std::string& plane : plane_names) {
        if (doctor().missing.at(plane).empty() && best.empty()) best = plane;
        // What is better than the chosen one is accounted for.
        if (best.empty()) CHECK(has(doctor().reason, plane + ": "));
    }
    CHECK(doctor().chosen == best);
    const Ended spoken = Workplace{}.run({"doctor"}, 60s);
    CHECK(has(spoken.out, "data plane: " + (best.empty() ? "none" : best)));
}

TEST_CASE("a forced plane runs, or exit code 8 names what it lacks and `pleat doctor`") {
    if (!can_run_or_skips()) return;
    std::list<PlaneRun> runs =
        begin_runs(plane_names, kThreeSeconds, {"--json", "--set", "500ms: quit"});
    for (PlaneRun& run : runs) {
        const Ended ended = run.program->finish(30s);
        const std::string& missing = doctor().missing.at(run.plane);
        INFO(run.plane << ": " << ended.err);
        if (missing.empty()) {
            CHECK(ended.code == 0);
            CHECK(document(ended.out).at("data_plane") == run.plane);
        } else {
            CHECK(ended.code == 8);
            CHECK(has(ended.err, "data plane " + run.plane));
            CHECK(has(ended.err, missing));
            CHECK(has(ended.err, "pleat doctor"));
        }
    }
    for (const PlaneRun& run : runs) CHECK(run.place.left_behind() == kNothing);
}

TEST_CASE("`pleat shell` reaches the machine's network on every plane") {
    if (!can_run_or_skips()) return;
    if (!find_program("slirp4netns")) {
        WARN("left out, since slirp4netns is not installed");
        return;
    }
    Workplace place;
    const Greeter greeter;
    std::map<std::string, Program> shells;
    for (const std::string& plane : plane_names) {
        if (!doctor().missing.at(plane).empty()) continue;
        shells.emplace(
            plane, place.pleat({"shell", "100ms 10Mbps", "--data-plane", plane, "--", "bash", "-c",
                                "date +%s%N; cat </dev/tcp/198.18.0.2/" + greeter.port() +
                                    "; date +%s%N"}));
    }
    for (auto& [plane, shell] : shells) {
        const Ended ended = shell.finish(60s);
        INFO(plane << ": " << ended.out << ended.err);
        REQUIRE(ended.code == 0);
        CHECK(has(ended.out, "hello from outside"));
        std::istringstream lines{ended.out};
        std::string before;
        std::string between;
        std::string after;
        std::getline(lines, before);
        std::getline(lines, between);
        std::getline(lines, after);
        // A round trip for the connection at least.
        CHECK(std::stoll(after) - std::stoll(before) > 200'000'000);
    }
    CHECK(place.left_behind().empty());
}

TEST_CASE("without a word a run has the plane that `doctor` names, and its manifest says so") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    const Ended ended = place.run({"run", "t.yaml", "--json", "--set", "500ms: quit"}, 30s);
    INFO(ended.err);
    REQUIRE(ended.code == 0);
    const nlohmann::json results = document(ended.out);
    CHECK(results.at("data_plane") == doctor().chosen);
    CHECK(has(ended.err, "data plane: " + doctor().chosen));
    const std::string directory = results.at("directory");
    const auto manifest = read_file(place.path(directory + "/manifest.json"));
    REQUIRE(manifest);
    CHECK(document(*manifest).at("data_plane") == doctor().chosen);
}

TEST_CASE("three clients share a bottleneck by their round trips, whatever plane shapes them") {
    if (!can_run_or_skips()) return;
    std::vector<std::string> measured = plane_names;
    std::erase_if(measured,
                  [](const std::string& plane) { return !testing::is_wanted_plane(plane); });
    std::list<PlaneRun> runs = begin_runs(possible(measured), three_clients, {"--json"});
    for (PlaneRun& run : runs) {
        const std::string& plane = run.plane;
        const Ended ended = run.program->finish(std::chrono::minutes{2});
        INFO(plane << ": " << ended.err);
        REQUIRE(ended.code == 0);
        const nlohmann::json results = document(ended.out);
        CHECK(results.at("data_plane") == plane);
        std::map<std::string, double> started;
        for (const nlohmann::json& host : results.at("hosts")) {
            started[host.at("name")] = host.at("started_s").get<double>();
        }
        // Of experiment time; each from when the flows have settled.
        const auto goodput = [&](int client, double from, double to) {
            const std::string number = "[" + std::to_string(client) + "]";
            const double began = started.at("client" + number) + 0.3;
            return goodput_mbps(run.log("server" + number), from - began, to - began);
        };
        const auto check_share = [&](int client, double from, double to, double share) {
            const double allowed = allowed_mbps(results, client, from, to);
            const double departed = departed_mbps(results, client, from, to);
            const double got = goodput(client, from, to);
            std::cout << plane << " client[" << client << "] " << from << ".." << to
                      << " s: allowed " << allowed << ", departed " << departed << " of " << share
                      << ", got " << got << " of " << share * kGoodput << " Mbit/s\n";
            CHECK(allowed == Approx(share).epsilon(0.01));
            const double passed = share * made_of_rate(run.database(), from, to);
            // HTB loses what a late timer leaves unspent: beside other programs, in User Mode
            // Linux, a third and more. What it keeps on a quiet machine is for the
            // conformance suite; here it is enough that the share was used.
            const double used = plane == "netem" ? 0.5 : 0.97;
            CHECK(departed < passed * 1.03);
            CHECK(departed > passed * used);
            // TCP hands over late what lies behind a loss, in the next window: up to a queue
            // and a round trip.
            const double behind_a_loss = (kQueueMegabits + share * 0.05) / (to - from);
            CHECK(got > passed * kGoodput * used - behind_a_loss);
        };
        check_share(0, 2, 4, 60);
        check_share(0, 5.5, 8, 30);
        check_share(1, 6, 8, 30);
        for (int client = 0; client < 3; ++client) check_share(client, 10, 13, 20);
        // Round trips of 50, 40 and 40 ms: weights 4, 5 and 5.
        check_share(0, 14.5, 17, 60.0 * 4 / 14);
        check_share(1, 14.5, 17, 60.0 * 5 / 14);
        check_share(2, 14.5, 17, 60.0 * 5 / 14);
    }
}

// One flow over a link that becomes narrower, and one that counts its packets.
const char* const narrower = R"(pleat: 1
name: narrower
duration: 10s
hosts:
  server: {run: "iperf3 -s -f k -i 0.5 --forceflush", ready: {tcp: 5201}}
  client: {run: "iperf3 -c server -C cubic -t 100"}
  walker: {run: "ping -i 0.1 server"}
bridges: [s1]
links:
  - client -- s1: 5ms 20Mbps
  - s1 -- server: 5ms 100Mbps
  - walker -- s1: 5ms 100Mbps
events:
  4s: set client--s1 10Mbps
  9s: mark late
)";

TEST_CASE("without a node daemon hosts stay shaped, and another one takes over their run") {
    if (!can_run_or_skips()) return;
    std::list<PlaneRun> runs = begin_runs(possible(kernel_planes), narrower, {"--json"});
    const auto server_has_written = [](const PlaneRun& run, const std::string& interval) {
        return eventually(30s, [&] { return has(run.log("server"), interval); });
    };
    for (PlaneRun& run : runs) {
        REQUIRE(server_has_written(run, "2.00-2.50"));
        // Nobody starts it anew for a while: over the epoch's begin.
        run.program->signal(SIGSTOP);
        run.kill_node();
    }
    for (PlaneRun& run : runs) {
        REQUIRE(server_has_written(run, "6.00-6.50"));
        run.program->signal(SIGCONT);
    }
    for (PlaneRun& run : runs) {
        const std::string& plane = run.plane;
        const Ended ended = run.program->finish(60s);
        INFO(plane << ": " << ended.err);
        REQUIRE(ended.code == 0);
        const nlohmann::json results = document(ended.out);
        CHECK(results.at("failed") == false);
        CHECK(results.at("problems").size() == 1);
        CHECK(has(results.at("problems").dump(), "took over the run at"));
        CHECK(has(results.at("problems").dump(), "shaped by the kernel"));

        // The epoch's instant: `edt` keeps it alone, `netem` waits for a daemon.
        const bool alone = plane == "edt";
        REQUIRE(results.at("epochs").size() == 2);
        const double late_us = results.at("epochs")[1].at("late_us").get<double>();
        CHECK((late_us < 1000) == alone);
        const auto check_rate = [&](double from, double to, double rate) {
            const double got = goodput_mbps(run.log("server"), from, to);
            std::cout << plane << " " << from << ".." << to << " s: got " << got << " of "
                      << rate * kGoodput << " Mbit/s\n";
            CHECK(got < rate * kGoodput * 1.06);
            CHECK(got > rate * kGoodput * (alone ? 0.85 : 0.5));
        };
        check_rate(1, 2.5, 20);
        check_rate(2.5, 3.5, 20);
        check_rate(5.5, 6.5, alone ? 10 : 20);
        check_rate(8, 9.5, 10);
        // No sample says more than the link lets through: what was sent meanwhile is not
        // taken for a burst.
        for (const nlohmann::json& flow : results.at("flows")) {
            if (flow.at("src") != "client") continue;
            for (const nlohmann::json& measured : flow.at("measured_bps")) {
                CHECK(measured.get<double>() < 20e6 * 1.3);
            }
        }
        // The same applications, to the end; and no packet was lost on an empty path.
        const std::string pings = run.log("walker");
        int answered = 0;
        for (; has(pings, "icmp_seq=" + std::to_string(answered + 1) + " "); ++answered) continue;
        INFO(pings);
        CHECK(answered >= 70);
        CHECK_FALSE(has(pings, "icmp_seq=" + std::to_string(answered + 2) + " "));
    }
    for (const PlaneRun& run : runs) CHECK(run.place.left_behind() == kNothing);
}

TEST_CASE("changes by hand take effect on a kernel plane, before and after a takeover") {
    if (!can_run_or_skips()) return;
    std::list<PlaneRun> runs = begin_runs(possible(kernel_planes), R"(
pleat: 1
name: pinged
duration: 60s
hosts:
  a: {run: "ping -D -i 0.05 b", main: true}
  b: {}
bridges: [s1]
links:
  - a -- s1: 1ms
  - s1 -- b: 5ms 100Mbps
)",
                                          {"--json"});
    const auto seen_slower_than = [](const PlaneRun& run, double rtt_ms) {
        return eventually(
            10s, [&] { return first_sent_slower_than(pings(run.log("a")), rtt_ms).has_value(); });
    };
    // Before T0, and while nobody has taken over, there is nothing to change.
    const auto changes = [](const PlaneRun& run, const std::string& verb,
                            std::vector<std::string> words) {
        return eventually(30s, [&] {
            std::vector<std::string> all{verb, "--run", run.name()};
            all.insert(all.end(), words.begin(), words.end());
            return run.place.run(all).code == 0;
        });
    };
    for (const PlaneRun& run : runs) {
        INFO(run.plane);
        REQUIRE(changes(run, "mark", {"begun"}));
        REQUIRE(changes(run, "set", {"s1--b", "34ms"}));
        CHECK(seen_slower_than(run, 70));
        run.kill_node();
    }
    for (const PlaneRun& run : runs) {
        INFO(run.plane);
        // It is taken over with what was changed, and changed again.
        REQUIRE(changes(run, "set", {"s1--b", "64ms"}));
        CHECK(seen_slower_than(run, 125));
        run.program->signal(SIGINT);
    }
    for (PlaneRun& run : runs) {
        const Ended ended = run.program->finish(30s);
        INFO(run.plane << ": " << ended.err);
        const nlohmann::json results = document(ended.out);
        CHECK(results.at("changes").size() == 3);
        CHECK(has(results.at("problems").dump(), "took over the run at"));
        // In between nothing was as before the first change.
        const std::vector<Ping> all = pings(run.log("a"));
        const auto slower = std::ranges::find_if(all, [](const Ping& p) { return p.rtt_ms > 70; });
        REQUIRE(slower != all.end());
        CHECK(std::all_of(slower, all.end(), [](const Ping& p) { return p.rtt_ms > 69; }));
    }
    for (const PlaneRun& run : runs) CHECK(run.place.left_behind() == kNothing);
}

TEST_CASE("whatever is killed at whatever moment, a run on a kernel plane leaves nothing") {
    if (!can_run_or_skips() || !is_root_or_skips("edt, and to count BPF programs")) return;
    const std::vector<std::string> planes = possible(kernel_planes);
    if (planes.empty()) return;
    std::mt19937_64 random{7};
    const std::size_t programs_before = bpf_programs();
    for (const std::string& victim :
         {std::string{"pleat-node"}, std::string{"pleat-keeper"}, std::string{"pleat-controller"},
          std::string{"pleat"}, std::string{"all but keepers"}}) {
        INFO(victim);
        const Instant began = monotonic_now();
        std::list<PlaneRun> runs = begin_runs(planes, kThreeSeconds);
        std::map<Instant, PlaneRun*> moments;
        for (PlaneRun& run : runs) {
            moments[began + std::chrono::milliseconds{random() % 3000}] = &run;
        }
        for (const auto& [moment, run] : moments) {
            Program& program = *run->program;
            static_cast<void>(
                eventually(moment - monotonic_now(), [&] { return program.ended(); }));
            if (victim == "all but keepers") kill_all_but_keepers(program);
            static_cast<void>(eventually(5s, [&] {
                if (victim == "pleat") return ::kill(program.pid(), SIGKILL) == 0;
                for (const Process& process : processes_beneath(program.pid())) {
                    if (process.program == victim) return ::kill(process.pid, SIGKILL) == 0;
                }
                return program.ended();
            }));
        }
        for (PlaneRun& run : runs) static_cast<void>(run.program->finish(30s));
        const Ended cleaned = runs.front().place.run({"clean"}, 20s);
        INFO(cleaned.out << cleaned.err);
        CHECK(cleaned.code == 0);
        for (const auto& [moment, run] : moments) {
            INFO(run->plane << " after " << (moment - began).count() / 1'000'000 << " ms");
            CHECK(run->place.left_behind(5s) == kNothing);
        }
        // The kernel frees them a moment after their last user has gone.
        CHECK(eventually(10s, [&] { return bpf_programs() <= programs_before; }));
    }
}
