// The verbs that need no daemon, as main() calls them.
#include <fstream>

#include <nlohmann/json.hpp>

#include "cli/commands.hh"
#include "cli/host_names.hh"
#include "cli/load.hh"
#include "cli/not_yet.hh"
#include "cli/run_once.hh"
#include "tests/cli/world.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

constexpr const char* kDumbbell = R"(pleat: 1
name: two-and-one
vars: {rate: 10Mbps}
duration: 90s
hosts:
  client: {replicas: 2, run: sleep 1}
  server: {run: sleep 1, main: true}
bridges: [s1]
links:
  - client -- s1: 5ms
  - s1 -- server: 10ms ${rate}
events:
  - 30s: set client[*]--s1 10ms
  - 60s: down s1--server
)";

struct Desk {
    testing::TemporaryDirectory directory;
    testing::Captured captured;

    std::string file(const std::string& name, std::string_view text) const {
        std::string path = (directory.path() / name).string();
        std::ofstream{path} << text;
        return path;
    }

    template <typename Arguments>
    ExitCode run(const Arguments& arguments) {
        return execute(arguments, captured.output);
    }
};

PathsArguments paths_of(const std::string& file) {
    PathsArguments arguments;
    arguments.topology.file = file;
    return arguments;
}

TEST_CASE("paths prints every pair of every epoch as one array") {
    Desk desk;
    PathsArguments arguments = paths_of(desk.file("a.yaml", kDumbbell));
    arguments.json = true;
    REQUIRE(desk.run(arguments) == ExitCode::ok);
    const Json rows = Json::parse(desk.captured.data);
    // In epoch 2 the server is out of reach: only the clients reach each other.
    CHECK(rows.size() == 6 + 6 + 2);
    CHECK(rows.at(0) == Json::parse(R"({"src":"client[0]","dst":"client[1]","epoch":0,
        "latency_us":10000,"rtt_us":20000,"jitter_us":0,"loss":0.0,"bandwidth_bps":null,
        "hops":["client[0]","s1","client[1]"]})"));
    CHECK(rows.at(1).at("bandwidth_bps") == 10'000'000);
    CHECK(rows.at(7).at("epoch") == 1);
    CHECK(rows.at(7).at("latency_us") == 20000);
}

TEST_CASE("paths --at shows the epoch that is in force then") {
    Desk desk;
    PathsArguments arguments = paths_of(desk.file("a.yaml", kDumbbell));
    arguments.from = "client";
    arguments.to = "server";
    arguments.at = "59.9s";
    REQUIRE(desk.run(arguments) == ExitCode::ok);
    CHECK_THAT(desk.captured.data, Contains("epoch 1 from 30s") && Contains("client[1]") &&
                                       Contains("20ms     40ms") && !Contains("epoch 0"));
    desk.captured.data.clear();
    arguments.at = "60s";
    REQUIRE(desk.run(arguments) == ExitCode::ok);
    CHECK_THAT(desk.captured.data, Contains("unreachable"));
}

TEST_CASE("paths of nobody is an empty array") {
    Desk desk;
    PathsArguments arguments = paths_of(desk.file("a.yaml", kDumbbell));
    arguments.from = "server";
    arguments.to = "server";
    arguments.json = true;
    REQUIRE(desk.run(arguments) == ExitCode::ok);
    CHECK(Json::parse(desk.captured.data) == Json::array());
}

TEST_CASE("paths --machines of a controller that this user has not joined says so") {
    Desk desk;
    PathsArguments arguments = paths_of(desk.file("a.yaml", kDumbbell));
    arguments.machines = true;
    arguments.controller = "tcp://127.0.0.1:1";  // of which this user is no operator
    CHECK(desk.run(arguments) == ExitCode::controller_unreachable);
    CHECK(desk.captured.data.empty());
}

TEST_CASE("paths tells an unknown name with what was probably meant") {
    Desk desk;
    PathsArguments arguments = paths_of(desk.file("a.yaml", kDumbbell));
    arguments.from = "clinet";
    CHECK(desk.run(arguments) == ExitCode::not_found);
    CHECK_THAT(desk.captured.notes, Contains("no host 'clinet'; did you mean 'client'?"));
    arguments.from = "s1";
    CHECK(desk.run(arguments) == ExitCode::not_found);
    CHECK_THAT(desk.captured.notes, Contains("'s1' is a bridge"));
    arguments.from = "";
    arguments.at = "soon";
    CHECK(desk.run(arguments) == ExitCode::usage);
}

TEST_CASE("paths --stats counts without rows") {
    Desk desk;
    PathsArguments arguments = paths_of(desk.file("a.yaml", kDumbbell));
    arguments.stats = true;
    arguments.json = true;
    REQUIRE(desk.run(arguments) == ExitCode::ok);
    const Json document = Json::parse(desk.captured.data);
    CHECK(document.at("v") == 1);
    CHECK(document.at("epochs") == 3);
    CHECK(document.at("trees") == 1);
    CHECK(document.at("bytes") > 0);
}

TEST_CASE("the command line's variables, seed and events change what is read") {
    Desk desk;
    TopologyArguments arguments;
    arguments.file = desk.file("a.yaml", kDumbbell);
    arguments.variables = {{"rate", "5Mbps"}, {"rate", "20Mbps"}};
    arguments.seed = 7;
    arguments.events = {"set s1--server 1ms", "10s: up s1--server"};
    const auto scenario = load_topology(arguments, desk.captured.output);
    INFO(desk.captured.notes);
    REQUIRE(scenario);
    CHECK(scenario->seed == 7);
    const auto at_start = [](const TimedEvent& event) { return event.at == ExperimentTime{}; };
    CHECK(std::any_of(scenario->timeline.begin(), scenario->timeline.end(), at_start));
    const auto& links = scenario->topology.links();
    const auto fast = [](const Link& link) {
        return link.properties.bandwidth == Bandwidth::bits_per_second(20'000'000);
    };
    CHECK(std::count_if(links.begin(), links.end(), fast) == 2);
}

TEST_CASE("validate reports the problems of all files and fails on errors") {
    Desk desk;
    ValidateArguments arguments;
    arguments.files = {desk.file("good.yaml", kDumbbell),
                       desk.file("bad.yaml",
                                 "pleat: 1\nhosts: {a: {}, b: {}}\nlinks:\n"
                                 "  - a -- c: 10mbps\n"),
                       (desk.directory.path() / "none.yaml").string()};
    CHECK(desk.run(arguments) == ExitCode::invalid_topology);
    CHECK(desk.captured.data.empty());
    CHECK_THAT(desk.captured.notes, Contains("bad.yaml:4") && Contains("none.yaml"));

    desk.captured.data.clear();
    arguments.json = true;
    CHECK(desk.run(arguments) == ExitCode::invalid_topology);
    const Json problems = Json::parse(desk.captured.data).at("problems");
    CHECK(problems.size() >= 3);
    CHECK(problems.at(0).at("severity") == "error");
    const auto of_rate =
        std::ranges::find_if(problems, [](const Json& problem) { return problem.at("line") == 4; });
    REQUIRE(of_rate != problems.end());
    CHECK_THAT(of_rate->at("message"), Contains("c"));
}

TEST_CASE("validate warns of events that contradict each other, and succeeds") {
    Desk desk;
    ValidateArguments arguments;
    arguments.json = true;
    arguments.files = {desk.file("two.yaml",
                                 "pleat: 1\nhosts: {a: {}, b: {}}\nlinks:\n  - a -- b: 10ms\n"
                                 "events:\n  - 5s: set a--b 20ms\n  - 5s: set a--b 30ms\n")};
    CHECK(desk.run(arguments) == ExitCode::ok);
    const Json problems = Json::parse(desk.captured.data).at("problems");
    REQUIRE(problems.size() == 1);
    CHECK(problems[0].at("severity") == "warning");
    CHECK(problems[0].at("code") == "contradiction");
    CHECK(problems[0].at("line") == 7);
    CHECK(problems[0].at("column") == 9);
    CHECK_THAT(problems[0].at("message"), Contains("(line 6, column 9)"));
}

TEST_CASE("validate succeeds on a good file, and says nothing as data") {
    Desk desk;
    ValidateArguments arguments;
    arguments.files = {desk.file("good.yaml", kDumbbell)};
    CHECK(desk.run(arguments) == ExitCode::ok);
    CHECK(desk.captured.data.empty());
    arguments.json = true;
    CHECK(desk.run(arguments) == ExitCode::ok);
    CHECK(Json::parse(desk.captured.data).at("problems") == Json::array());
}

TEST_CASE("what expand prints reads as the same scenario") {
    Desk desk;
    ExpandArguments arguments;
    arguments.topology.file = desk.file("a.yaml", kDumbbell);
    REQUIRE(desk.run(arguments) == ExitCode::ok);
    const ReadOutcome again = read_yaml(desk.captured.data, "expanded.yaml");
    REQUIRE(again.ok());
    CHECK(*again.scenario == *load_topology(arguments.topology, desk.captured.output));
}

TEST_CASE("run and expand refuse a file with errors as an invalid topology") {
    Desk desk;
    const std::string file = desk.file("bad.yaml", "pleat: 1\nlinks: [\n");
    ExpandArguments expand;
    expand.topology.file = file;
    CHECK(desk.run(expand) == ExitCode::invalid_topology);
    RunArguments run;
    run.topology.file = file;
    CHECK(desk.run(run) == ExitCode::invalid_topology);
    CHECK_THAT(desk.captured.notes, Contains("bad.yaml"));
}

TEST_CASE("what only applications need is not refused without them") {
    Scenario scenario = testing::small_scenario();
    scenario.applications[0].not_yet = {"image:"};
    CHECK(not_yet(scenario, false).empty());
    CHECK(not_yet(scenario, true) ==
          std::vector<std::string>{"host client: image: is not yet there"});
    scenario.not_yet = {"probes:"};
    CHECK(not_yet(scenario, false) == std::vector<std::string>{"probes: is not yet there"});
}

TEST_CASE("a link specification that is wrong is wrong usage of shell") {
    Desk desk;
    ShellArguments arguments;
    arguments.link = "40ms 10mbps";
    arguments.command = {"true"};
    CHECK(desk.run(arguments) == ExitCode::usage);
    CHECK_THAT(desk.captured.notes, Contains("10mbps"));
}

TEST_CASE("samples are taken less often when there are many hosts") {
    CHECK(usual_samples(testing::small_scenario()).interval == Duration{100ms});
    TopologyBuilder builder;
    for (std::uint32_t i = 0; i < 500; ++i) {
        const std::string name = "h" + std::to_string(i);
        builder.add(
            Host{.name = name, .group = name, .replica = 0, .replicated = false, .tags = {}});
    }
    Scenario many;
    many.topology = std::move(builder).build().value();
    CHECK(usual_samples(many).interval == Duration{1s});
}

TEST_CASE("version and completion print data") {
    Desk desk;
    CHECK(desk.run(VersionArguments{.json = true}) == ExitCode::ok);
    CHECK(Json::parse(desk.captured.data).at("version") == PLEAT_VERSION);
    desk.captured.data.clear();
    CHECK(desk.run(CompletionArguments{.shell = "bash"}) == ExitCode::ok);
    CHECK_THAT(desk.captured.data, Contains("complete -o default"));
}

}  // namespace
}  // namespace pleat
