// The verbs about runs of a controller, against one of the test's making.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <ranges>

#include <nlohmann/json.hpp>

#include "base/overload.hh"
#include "cli/commands.hh"
#include "cli/controller_link.hh"
#include "tests/cli/fake_controller.hh"
#include "tests/cli/world.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Json = nlohmann::json;
using Action = RunVerbArguments::Action;

constexpr const char* kTopology =
    "pleat: 1\nname: two\nhosts: {a: {}, b: {}}\nlinks:\n  - a -- b: 10ms\n";

RunInfo run_info(const std::string& run, const std::string& state) {
    RunInfo info{.run = run,
                 .name = "small",
                 .state = state,
                 .problem = {},
                 .directory = "/state/runs/" + run,
                 .submitted_at = "2024-05-17T09:30:00Z",
                 .machines = {}};
    if (state == "running" || state == "submitted") info.machines = {"m1", "m2"};
    return info;
}

// With three runs, of which the second and the third are under way.
struct Desk {
    explicit Desk(OutputStyle style = {}) : captured{style} {}

    testing::TemporaryDirectory directory;
    std::string endpoint = "ipc://" + directory.path().string() + "/control";
    std::vector<RunInfo> runs{run_info("r-1f2e", "done"), run_info("r-1f33", "running"),
                              run_info("r-9a", "running")};
    // What is told to who watches a run.
    std::vector<ControlMessage> news{
        Stage{"hosts", "2/2 ready (data plane: tun)"}, Stage{"begin", ""},
        Progress{.at = ExperimentTime{34s},
                 .epoch = EpochId{1},
                 .throughput_bps = 58'900'000,
                 .hosts_ready = 2,
                 .hosts_running = 2},
        Stage{"machine", "machine m2 gives no sign of life"}, Stage{"collect", "2 logs"}};
    std::optional<RunFinished> end = testing::small_results();

    std::mutex mutex;
    bool detached = true;  // the last that was submitted
    std::vector<ControlMessage> asked;
    testing::FakeController controller{
        endpoint, [this](const ControlMessage& question, const testing::FakeController::Say& say) {
            const std::lock_guard lock{mutex};
            if (!std::holds_alternative<ListRuns>(question)) asked.push_back(question);
            std::visit(
                Overload{
                    [&](const ListRuns&) { say(Runs{runs}); },
                    // Who has not submitted it detached watches it.
                    [&](const StartRun&) {
                        if (detached) return say(Done{});
                        for (const ControlMessage& message : news) say(message);
                        if (end) say(*end);
                    },
                    [&](const StopRun&) { say(Done{}); },
                    [&](const Watch&) {
                        for (const ControlMessage& message : news) say(message);
                        if (end) say(*end);
                    },
                    [&](const Inspect& m) {
                        const auto run = std::ranges::find(runs, m.run, &RunInfo::run);
                        say(RunDetails{.info = *run,
                                       .scenario = testing::small_scenario(),
                                       .results = testing::small_results()});
                    },
                    [&](const Submit& m) {
                        detached = m.detached;
                        say(Submitted{.run = m.options.run,
                                      .hosts = 2,
                                      .bridges = 0,
                                      .links = 2,
                                      .epochs = 1,
                                      .paths = 2,
                                      .took = 10ms,
                                      .notes = {"not measured"}});
                    },
                    [&](const ReadOutput& m) {
                        say(OutputPiece{.ticket = m.ticket,
                                        .offset = 0,
                                        .bytes = "hello\n",
                                        .size = 6,
                                        .over = true});
                    },
                    [&](const RunOnHost& m) {
                        say(RanOnHost{.ticket = m.ticket, .exit_code = {}, .output = "runs, "});
                        say(RanOnHost{.ticket = m.ticket, .exit_code = 7, .output = "ran\n"});
                    },
                    [](const auto&) {},
                },
                question);
        }};
    testing::Captured captured;

    ExitCode run(Action action, const std::string& name = {}, bool json = false,
                 std::optional<Duration> timeout = {}) {
        return execute(RunVerbArguments{.action = action,
                                        .controller = endpoint,
                                        .run = name,
                                        .timeout = timeout,
                                        .json = json},
                       captured.output);
    }

    ExitCode submit(bool up, bool json) {
        const std::string file = (directory.path() / "t.yaml").string();
        std::ofstream{file} << kTopology;
        SubmitArguments arguments;
        arguments.topology.file = file;
        arguments.controller = endpoint;
        arguments.start = up;
        arguments.up = up;
        arguments.json = json;
        return execute(arguments, captured.output);
    }

    // The last question of this kind.
    template <typename Question>
    Question last() {
        const std::lock_guard lock{mutex};
        for (const ControlMessage& each : asked | std::views::reverse) {
            if (const auto* found = std::get_if<Question>(&each)) return *found;
        }
        FAIL("it was not asked");
        return {};
    }

    bool none_asked() {
        const std::lock_guard lock{mutex};
        return asked.empty();
    }
};

// PLEAT_CONTROLLER, as long as it lives.
struct Variable {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread of ours reads it
    explicit Variable(const std::string& value) { ::setenv("PLEAT_CONTROLLER", value.c_str(), 1); }

    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    ~Variable() { ::unsetenv("PLEAT_CONTROLLER"); }

    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
};

TEST_CASE("every verb takes every name of a run") {
    using Case = std::pair<std::string, std::string>;
    const auto [name, meant] =
        GENERATE(Case{"r-1f33", "r-1f33"}, Case{"r-9", "r-9a"}, Case{"@", "r-9a"},
                 Case{"@~1", "r-1f33"}, Case{"@~2", "r-1f2e"});
    INFO(name);
    Desk desk;
    CHECK(desk.run(Action::start, name) == ExitCode::ok);
    CHECK(desk.last<StartRun>().run == meant);
    CHECK(desk.run(Action::stop, name) == ExitCode::ok);
    CHECK(desk.last<StopRun>().run == meant);
    CHECK(desk.run(Action::inspect, name) == ExitCode::ok);
    CHECK(desk.last<Inspect>().run == meant);
    CHECK(desk.run(Action::wait, name) == ExitCode::ok);
    CHECK(desk.last<Watch>().run == meant);
    CHECK(desk.run(Action::down, name) == ExitCode::ok);
    CHECK(desk.last<Watch>().run == meant);
    HostVerbArguments of_host{
        .controller = desk.endpoint, .run = name, .host = "client", .follow = false, .command = {}};
    desk.captured.data.clear();
    CHECK(execute(of_host, desk.captured.output) == ExitCode::ok);
    CHECK(desk.last<ReadOutput>().run == meant);
    CHECK(desk.captured.data == "hello\n");
    of_host.command = {"true"};
    desk.captured.data.clear();
    CHECK(static_cast<int>(execute(of_host, desk.captured.output)) == 7);
    CHECK(desk.captured.data == "runs, ran\n");
    CHECK(desk.last<RunOnHost>().run == meant);
}

TEST_CASE("a name of no run, or of several, is refused with what there is, and nothing is done") {
    const Action action =
        GENERATE(Action::start, Action::stop, Action::inspect, Action::wait, Action::down);
    Desk desk;
    CHECK(desk.run(action, "r-7") == ExitCode::not_found);
    CHECK_THAT(desk.captured.notes,
               Contains("there is no run r-7 on this controller; there are r-1f2e, r-1f33, r-9a"));
    CHECK(desk.run(action, "r-1") == ExitCode::usage);
    CHECK_THAT(desk.captured.notes, Contains("r-1 may be r-1f2e or r-1f33"));
    CHECK(desk.run(action, "@~3") == ExitCode::not_found);
    CHECK(desk.none_asked());
}

TEST_CASE("ps lists runs for people, and as a document") {
    Desk desk;
    desk.runs[0].problem = "a host failed";
    CHECK(desk.run(Action::list) == ExitCode::ok);
    CHECK(desk.captured.data ==
          "RUN     NAME   STATE    SUBMITTED             MACHINES\n"
          "r-1f2e  small  done     2024-05-17T09:30:00Z\n"
          "r-1f33  small  running  2024-05-17T09:30:00Z  m1,m2\n"
          "r-9a    small  running  2024-05-17T09:30:00Z  m1,m2\n");
    desk.captured.data.clear();
    CHECK(desk.run(Action::list, {}, true) == ExitCode::ok);
    const Json document = Json::parse(desk.captured.data);
    CHECK(document.at("v") == 1);
    REQUIRE(document.at("runs").size() == 3);
    CHECK(document.at("runs").at(0) == Json::parse(R"({"run":"r-1f2e","name":"small","state":"done",
              "submitted_at":"2024-05-17T09:30:00Z","machines":[],
              "directory":"/state/runs/r-1f2e","problem":"a host failed"})"));
    CHECK(document.at("runs").at(1).at("machines") == Json::array({"m1", "m2"}));
    CHECK_FALSE(document.at("runs").at(1).contains("problem"));
}

TEST_CASE("inspect tells of a run for people") {
    Desk desk;
    CHECK(desk.run(Action::inspect, "r-1f33") == ExitCode::ok);
    CHECK_THAT(desk.captured.data, Contains("run r-1f33  small  running  on m1, m2\n") &&
                                       Contains("client") && Contains("server") &&
                                       !Contains("done in"));
}

TEST_CASE("wait shows on a terminal how far the run is, and stages as they come") {
    Desk desk{OutputStyle{.terminal = true, .colour = false, .quiet = false, .width = 120}};
    CHECK(desk.run(Action::wait, "@") == ExitCode::ok);
    CHECK_THAT(desk.captured.notes,
               Contains("waiting    for r-9a (running)") && Contains("2/2 ready") &&
                   Contains("running    00:34 / 01:30   epoch 1   58.9 Mbit/s   2 hosts   next "
                            "60s: mark half") &&
                   Contains("warning: machine m2 gives no sign of life") && Contains("2 logs"));
    CHECK(desk.captured.data.empty());
}

TEST_CASE("down shows on a terminal that the run is ending") {
    Desk desk{OutputStyle{.terminal = true, .colour = false, .quiet = false, .width = 120}};
    CHECK(desk.run(Action::down, "r-9") == ExitCode::ok);
    CHECK_THAT(desk.captured.notes, Contains("stopping   r-9a") && Contains("stopping   00:34"));
}

TEST_CASE("without a terminal there are stages and no progress") {
    Desk desk;
    CHECK(desk.run(Action::wait, "@") == ExitCode::ok);
    CHECK_THAT(desk.captured.notes, Contains("2/2 ready") && !Contains("00:34"));
}

TEST_CASE("wait gives up with 124 when it was told how long") {
    Desk desk;
    desk.end.reset();
    CHECK(desk.run(Action::wait, "r-9a", true, 50ms) == ExitCode::timeout);
    CHECK_THAT(desk.captured.notes, Contains("run r-9a has not ended within"));
    CHECK(Json::parse(desk.captured.data) ==
          Json::parse(R"({"v":1,"run":"r-9a","state":"running","exit_code":124,"problems":[]})"));
    // In time it is as ever.
    Desk quick;
    CHECK(quick.run(Action::wait, "r-9a", false, 1h) == ExitCode::ok);
}

TEST_CASE("wait tells as a document how the run has ended") {
    Desk desk;
    desk.end->interrupted = true;
    CHECK(desk.run(Action::wait, "r-9a", true) == ExitCode::interrupted);
    CHECK(
        Json::parse(desk.captured.data) ==
        Json::parse(R"({"v":1,"run":"r-9a","state":"interrupted","exit_code":130,"problems":[]})"));
    desk.captured.data.clear();
    desk.end->interrupted = false;
    desk.end->failed = true;
    desk.end->problems = {"the disk is full"};
    CHECK(desk.run(Action::wait, "r-9a", true) == ExitCode::failed);
    CHECK(Json::parse(desk.captured.data) ==
          Json::parse(R"({"v":1,"run":"r-9a","state":"failed","exit_code":1,
              "problems":["the disk is full"]})"));
}

TEST_CASE("submit and up print the run's name, or a document") {
    Desk desk;
    CHECK(desk.submit(false, false) == ExitCode::ok);
    CHECK(desk.captured.data == desk.last<Submit>().options.run + "\n");
    CHECK_THAT(desk.captured.notes,
               Contains("2 hosts, 1 epoch, 2 paths") && Contains("warning: not measured"));
    desk.captured.data.clear();
    CHECK(desk.submit(false, true) == ExitCode::ok);
    Json document = Json::parse(desk.captured.data);
    CHECK(document.at("run") == desk.last<Submit>().options.run);
    document.erase("run");
    CHECK(document == Json::parse(R"({"v":1,"name":"two","state":"submitted","hosts":2,
        "epochs":1,"paths":2,"notes":["not measured"]})"));
    desk.captured.data.clear();
    CHECK(desk.submit(true, true) == ExitCode::ok);
    CHECK(Json::parse(desk.captured.data).at("state") == "running");
    CHECK(desk.last<StartRun>().run == desk.last<Submit>().options.run);
    // It has ended before it began.
    desk.captured.data.clear();
    desk.news.clear();
    desk.end->failed = true;
    desk.end->problems = {"no such program"};
    CHECK(desk.submit(true, true) == ExitCode::failed);
    CHECK(Json::parse(desk.captured.data).at("state") == "failed");
    CHECK_THAT(desk.captured.notes, Contains("no such program"));
}

TEST_CASE("a controller is named by the flag, else by PLEAT_CONTROLLER") {
    Desk desk;
    CHECK(controller_named("").empty());
    CHECK_FALSE(find_controller(""));
    {
        const Variable variable{desk.endpoint};
        CHECK(controller_named("ipc:///other") == "ipc:///other");
        CHECK(find_controller("")->endpoint == desk.endpoint);
        desk.captured.data.clear();
        CHECK(execute(RunVerbArguments{.action = Action::list,
                                       .controller = {},
                                       .run = {},
                                       .timeout = {},
                                       .json = false},
                      desk.captured.output) == ExitCode::ok);
        CHECK_THAT(desk.captured.data, Contains("r-1f33"));
    }
    // Empty is as if it were not there.
    const Variable empty{""};
    CHECK_FALSE(find_controller(""));
}

TEST_CASE("run, too, goes to the controller of PLEAT_CONTROLLER, and says so") {
    Desk desk;
    const std::string file = (desk.directory.path() / "t.yaml").string();
    std::ofstream{file} << kTopology;
    RunArguments arguments;
    arguments.topology.file = file;
    arguments.out = "elsewhere";
    const Variable variable{desk.endpoint};
    CHECK(execute(arguments, desk.captured.output) == ExitCode::ok);
    CHECK_FALSE(desk.last<Submit>().detached);
    CHECK_THAT(desk.captured.notes,
               Contains("on the machines of " + desk.endpoint + " (PLEAT_CONTROLLER)") &&
                   Contains("--out has no effect"));
}

}  // namespace
}  // namespace pleat
