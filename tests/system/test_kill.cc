// Whatever is killed at whatever moment, nothing is left behind that `pleat clean` does
// not end at once, and nothing that pleat did not make is touched.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>

#include <catch2/catch.hpp>
#include <sys/mount.h>
#include <unistd.h>

#include "base/files.hh"
#include "tests/system/processes.hh"
#include "tests/system/topologies.hh"
#include "tests/system/workplace.hh"

using namespace pleat;
using namespace pleat::system_test;

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kPoints = 20;

const std::vector<std::string> victims{"Ctrl-C",     "pleat",        "pleat-controller",
                                       "pleat-node", "pleat-keeper", "application"};

// A run in a session of its own, as on a terminal of its own.
Command on_its_own_terminal(Command command) {
    command.new_session = true;
    return command;
}

bool is_victim(const Process& process, const std::string& kind) {
    return kind == "application" ? !is_pleat(process) : process.program == kind;
}

// SIGKILL to a process of this kind beneath the run; false when there is none now.
bool kill_one(const Program& run, const std::string& kind, std::mt19937_64& random) {
    std::vector<pid_t> candidates;
    if (kind == "pleat") candidates.push_back(run.pid());
    for (const Process& process : processes_beneath(run.pid())) {
        if (is_victim(process, kind)) candidates.push_back(process.pid);
    }
    if (candidates.empty()) return false;
    return ::kill(candidates[random() % candidates.size()], SIGKILL) == 0;
}

// All of the run's programs at one blow, but not its hosts' keepers. The first is stopped
// meanwhile, lest it see the others fall and tidy up.
void kill_programs(Program& run) {
    run.signal(SIGSTOP);
    const auto daemons = [&run] {
        auto family = processes_beneath(run.pid());
        std::erase_if(family, [](const Process& p) {
            return p.program != "pleat-node" && p.program != "pleat-controller";
        });
        return family;
    };
    for (const Process& process : daemons()) ::kill(process.pid, SIGKILL);
    CHECK(eventually(5s, [&] { return daemons().empty(); }));
    run.signal(SIGKILL);
    CHECK(run.finish(5s).code == 137);
}

// Things that look like pleat's but are not: a process of that name in a network
// namespace of its own, one with another run's mark, directories.
class Bystanders {
  public:
    explicit Bystanders(Workplace& place) : name_{place.path("pleat-node")} {
        const std::string& program = name_;
        fs::copy_file("/bin/sleep", program);
        Command named = place.command({program, "600"});
        named.environment.emplace_back("PLEAT_MARK=r-0000:0123456789abcdef");
        programs_.emplace_back(named);
        std::vector<std::string> apart{"unshare",      "--net", "--fork",
                                       "--kill-child", program, "600"};
        if (::geteuid() != 0) apart.insert(apart.begin() + 1, "--map-root-user");
        programs_.emplace_back(place.command(apart));
        if (::geteuid() == 0) {
            fs::create_directories("/run/pleat/r-beef");
            place.write("note", "not pleat's");
            fs::copy_file(place.path("note"), "/run/pleat/r-beef/precious");
        }
        // Not before the exec: until then it has the name of its parent.
        eventually(10s, [this] {
            const auto beneath = processes_beneath(programs_[1].pid());
            return beneath.size() == 1 && beneath[0].program == "pleat-node";
        });
    }

    ~Bystanders() {
        for (Program& program : programs_) program.signal(SIGKILL);
        // The one apart ends a little after its parent: who looks next must not see it.
        eventually(10s, [this] {
            return std::ranges::none_of(processes_beneath(::getpid()), [this](const Process& one) {
                return one.command.starts_with(name_);
            });
        });
        std::error_code ignored;
        if (::geteuid() == 0) fs::remove_all("/run/pleat", ignored);
    }

    Bystanders(const Bystanders&) = delete;
    Bystanders& operator=(const Bystanders&) = delete;

    bool all_live() {
        for (Program& program : programs_) {
            if (program.ended()) return false;
        }
        return ::geteuid() != 0 || fs::exists("/run/pleat/r-beef/precious");
    }

  private:
    std::string name_;
    std::vector<Program> programs_;
};

// From the environment, to look longer or elsewhere by hand.
std::uint64_t chosen(const char* variable, std::uint64_t usual) {
    const char* const given = ::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return given == nullptr ? usual : std::strtoull(given, nullptr, 10);
}

}  // namespace

TEST_CASE("killed at 20 random points a run leaves nothing that `pleat clean` does not remove") {
    if (!can_run_or_skips()) return;
    // Other points each time; what failed is looked at again with the seed that it names.
    const std::uint64_t seed = chosen("PLEAT_KILL_SEED", std::random_device{}());
    std::mt19937_64 random{seed};
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    Bystanders bystanders{place};
    const MachineState before = MachineState::now(place.directory());
    for (std::size_t point = 0; point < chosen("PLEAT_KILL_POINTS", kPoints); ++point) {
        // Every second round of the kinds while the run starts.
        const auto round = point / victims.size();
        const std::uint64_t latest_ms = round % 2 == 0 ? 3000 : 400;
        const auto delay = std::chrono::milliseconds{random() % latest_ms};
        // Each kind at least three times.
        const std::string& kind = victims[point % victims.size()];
        INFO("point " << point << ": " << kind << " after " << delay.count() << " ms, seed "
                      << seed);
        Program run{on_its_own_terminal(place.pleat({"run", "t.yaml"}))};
        const bool ended_early = eventually(delay, [&run] { return run.ended(); });
        REQUIRE_FALSE(ended_early);
        if (kind == "Ctrl-C") {
            REQUIRE(::kill(-run.pid(), SIGINT) == 0);
            const Ended ended = run.finish(10s);
            INFO(ended.err);
            CHECK(ended.code == 130);
            CHECK(left_behind(before, place.directory()).empty());
            continue;
        }
        // Early there may be none of its kind yet.
        static_cast<void>(eventually(2s, [&] { return kill_one(run, kind, random); }));
        const Ended ended = run.finish(15s);
        INFO(ended.err);
        if (kind == "pleat") CHECK(ended.code == 137);
        const Ended cleaned = place.run({"clean"}, 10s);
        INFO(cleaned.out << cleaned.err);
        CHECK(cleaned.code == 0);
        CHECK(left_behind(before, place.directory(), 500ms) == kNothing);
        REQUIRE(bystanders.all_live());
    }
}

TEST_CASE("all programs of a run killed at once: `pleat clean` ends the hosts that outlive them") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    Bystanders bystanders{place};
    const MachineState before = MachineState::now(place.directory());
    Program run{on_its_own_terminal(place.pleat({"run", "t.yaml"}))};
    const auto running = [&] {
        const auto family = processes_beneath(run.pid());
        return std::ranges::count_if(family, [](const Process& p) { return !is_pleat(p); }) >= 2;
    };
    REQUIRE(eventually(10s, running));
    kill_programs(run);

    SECTION("asked what it would do, it does nothing") {
        const auto family = processes_beneath(::getpid());
        CHECK(std::ranges::count(family, "pleat-keeper", &Process::program) == 2);
        const Ended told = place.run({"clean", "--dry-run"}, 10s);
        INFO(told.out << told.err);
        CHECK(told.code == 0);
        CHECK(has(told.out + told.err, "r-"));
        CHECK(processes_beneath(::getpid()).size() == family.size());
        CHECK_FALSE(place.runtime_directories().empty());
    }
    const Ended cleaned = place.run({"clean"}, 10s);
    INFO(cleaned.out << cleaned.err);
    CHECK(cleaned.code == 0);
    CHECK(cleaned.took < 5s);
    CHECK(left_behind(before, place.directory(), 500ms) == kNothing);
    CHECK(bystanders.all_live());
    const Ended again = place.run({"clean"}, 10s);
    CHECK(again.code == 0);
}

TEST_CASE("the next run removes what a killed one has left") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    const MachineState before = MachineState::now(place.directory());
    {
        Program run{on_its_own_terminal(place.pleat({"run", "t.yaml"}))};
        REQUIRE(eventually(10s, [&] { return processes_beneath(run.pid()).size() >= 6; }));
        kill_programs(run);
    }
    const Ended next = place.run({"run", "t.yaml", "--set", "300ms: quit"});
    INFO(next.err);
    CHECK(next.code == 0);
    CHECK(left_behind(before, place.directory()) == kNothing);
}

TEST_CASE("`pleat clean` leaves a run alone that is under way") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    Program run{place.pleat({"run", "t.yaml"})};
    REQUIRE(eventually(10s, [&] { return processes_beneath(run.pid()).size() >= 6; }));
    const Ended cleaned = place.run({"clean"}, 10s);
    INFO(cleaned.out << cleaned.err);
    CHECK(cleaned.code == 0);
    const Ended ended = run.finish();
    INFO(ended.err);
    CHECK(ended.code == 0);
}

TEST_CASE("SIGTERM and SIGHUP tear a run down as Ctrl-C does") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    const MachineState before = MachineState::now(place.directory());
    const int signal = GENERATE(SIGTERM, SIGHUP);
    INFO("signal " << signal);
    Program run{on_its_own_terminal(place.pleat({"run", "t.yaml"}))};
    REQUIRE(eventually(10s, [&] { return processes_beneath(run.pid()).size() >= 6; }));
    run.signal(signal);
    const Ended ended = run.finish(10s);
    INFO(ended.err);
    CHECK(ended.code >= 128);
    CHECK(left_behind(before, place.directory()) == kNothing);
}

// Two hosts for three seconds, with an event of the topology and one of an application.
constexpr const char* kHeadless = R"(pleat: 1
name: headless
duration: 3s
hosts:
  a: {run: "sh -c 'sleep 2; echo still here; sleep 60'"}
  b: {}
links:
  - a -- b: 1ms 10Mbps
events:
  - 2500ms: set a--b 5Mbps
)";

bool application_runs(const Program& run) {
    return eventually(10s, [&] {
        const auto family = processes_beneath(run.pid());
        return std::ranges::any_of(family, [](const Process& p) { return p.program == "sleep"; });
    });
}

TEST_CASE("a controller that dies is started anew, and the run goes on to its results") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", kHeadless);
    Program run{place.pleat({"run", "t.yaml", "--json"})};
    REQUIRE(application_runs(run));
    std::mt19937_64 random{1};
    REQUIRE(kill_one(run, "pleat-controller", random));
    const Ended ended = run.finish(20s);
    INFO(ended.err);
    CHECK(ended.code == 0);
    CHECK(has(ended.err, "the controller ended unexpectedly"));
    const nlohmann::json result = document(ended.out);
    CHECK(result.at("failed") == false);
    CHECK(result.at("epochs").size() == 2);
    CHECK(result.at("epochs")[1].at("late_us") < 100'000);
    CHECK(result.at("hosts")[0].at("exit_code") == 143);
    const std::string directory = place.path(result.at("directory"));
    CHECK(fs::exists(directory + "/run.db"));
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("Ctrl-C ends a run whose controller was started anew") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", kHeadless);
    Program run{on_its_own_terminal(place.pleat({"run", "t.yaml"}))};
    REQUIRE(application_runs(run));
    std::mt19937_64 random{1};
    REQUIRE(kill_one(run, "pleat-controller", random));
    REQUIRE(eventually(10s, [&] { return has(run.err(), "ended unexpectedly"); }));
    REQUIRE(::kill(-run.pid(), SIGINT) == 0);
    const Ended ended = run.finish(20s);
    INFO(ended.err);
    CHECK(ended.code == 130);
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("a controller that dies again and again ends the run") {
    if (!can_run_or_skips()) return;
    Workplace place;
    std::string longer = kHeadless;
    longer.replace(longer.find("3s"), 2, "30s");
    place.write("t.yaml", longer);
    Program run{place.pleat({"run", "t.yaml"})};
    REQUIRE(application_runs(run));
    std::mt19937_64 random{1};
    for (int death = 0; death < 4; ++death) {
        REQUIRE(eventually(5s, [&] { return kill_one(run, "pleat-controller", random); }));
        if (death == 3) break;
        const auto times = [&run] {
            int count = 0;
            const std::string text = run.err();
            const std::string word = "ended unexpectedly";
            for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
                ++count;
            }
            return count;
        };
        REQUIRE(eventually(5s, [&] { return times() == death + 1; }));
    }
    const Ended ended = run.finish(20s);
    INFO(ended.err);
    CHECK(ended.code == 1);
    CHECK(place.run({"clean"}, 10s).code == 0);
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("a node that dies is started anew, takes over its hosts, and the run goes on") {
    if (!can_run_or_skips()) return;
    Workplace place;
    std::string text = kHeadless;
    text.replace(text.find("b: {}"), 5, "b: {run: \"ping -i 0.1 a\"}");
    text += "  - 2700ms: mark late\n";
    place.write("t.yaml", text);
    Program run{place.pleat({"run", "t.yaml", "--json", "--data-plane", "tun"})};
    REQUIRE(application_runs(run));
    std::mt19937_64 random{1};
    const auto pings = [&place] {
        std::string all;
        std::error_code none;
        for (const auto& entry : fs::directory_iterator{place.path("pleat-runs"), none}) {
            all += read_file(entry.path().string() + "/logs/b.log").value_or("");
        }
        return all;
    };
    REQUIRE(eventually(10s, [&] { return has(pings(), "icmp_seq=3 "); }));
    REQUIRE(kill_one(run, "pleat-node", random));
    const Ended ended = run.finish(30s);
    INFO(ended.err);
    CHECK(ended.code == 0);
    const nlohmann::json result = document(ended.out);
    CHECK(result.at("failed") == false);
    CHECK(has(result.at("problems").dump(), "took over the run at"));
    REQUIRE(result.at("epochs").size() == 2);
    CHECK(result.at("epochs")[1].at("late_us") < 500'000);
    // The same applications, to the end.
    CHECK(result.at("hosts")[0].at("exit_code") == 143);
    const std::string logs = place.path(result.at("directory")) + "/logs/";
    CHECK(has(read_file(logs + "a.log").value_or(""), "still here"));
    CHECK(has(pings(), "icmp_seq=25 "));  // long after
    CHECK(place.left_behind() == kNothing);
}
