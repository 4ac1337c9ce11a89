#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/format.hh"
#include "cli/json.hh"
#include "cli/run_results.hh"
#include "tests/cli/world.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Json = nlohmann::json;

RunResults results(RunFinished finished = testing::small_results()) {
    return unchecked_results(std::move(finished), "pleat-runs/r-7f3a", 91s);
}

TEST_CASE("the document of a run has the fields of the manual") {
    const Json document =
        Json::parse(run_document(results(), testing::small_scenario(), false, true));
    CHECK(document.at("v") == 1);
    CHECK(document.at("run") == "r-7f3a");
    CHECK(document.at("name") == "small");
    CHECK(document.at("seed") == 42);
    CHECK(document.at("data_plane") == "tun");
    CHECK(document.at("machines") == Json::array({"local"}));
    CHECK(document.at("directory") == "pleat-runs/r-7f3a");
    CHECK(document.at("verdict") == "unchecked");
    CHECK(document.at("reasons").size() == 1);
    CHECK(document.at("epochs") ==
          Json::parse(
              R"([{"epoch":1,"planned_s":30.0,"late_us":41,"events":["set client--s1 10ms"]}])"));
    CHECK(document.at("flows") == Json::parse(R"([{"src":"client","dst":"server","t_s":[0.1],
          "allowed_bps":[10000000],"measured_bps":[9500000]}])"));
    CHECK(document.at("hosts").at(0) ==
          Json::parse(R"({"name":"client","address":"10.0.0.1","exit_code":0,"started_s":0.004,
                          "log":"logs/client.log"})"));
    CHECK(document.at("probes") == Json::array());
    CHECK(document.at("control") == Json::parse(R"({"messages_sent":13,"bytes_sent":412})"));
}

TEST_CASE("a change by hand is told with its instant, in the results, too") {
    const ChangeResult change{.number = 3,
                              .version = 2,
                              .epoch = EpochId{1},
                              .at = ExperimentTime{31'200ms},
                              .late = 120us,
                              .lines = {"set s1--s2 90Mbps"},
                              .missing = {"m3"}};
    const Json alone = Json::parse(change_document("r-7f3a", change));
    CHECK(alone == Json::parse(R"({"v":1,"run":"r-7f3a","change":3,"version":2,"epoch":1,
        "t_s":31.2,"late_us":120,"events":["set s1--s2 90Mbps"],"missing":["m3"]})"));
    RunFinished finished = testing::small_results();
    finished.changes.push_back(change);
    finished.changes.back().version.reset();
    const Json document =
        Json::parse(run_document(results(finished), testing::small_scenario(), false, true));
    CHECK(document.at("changes").at(0).at("t_s") == 31.2);
    CHECK(document.at("changes").at(0).at("version").is_null());
}

TEST_CASE("with several machines, each one's control traffic is told") {
    RunFinished finished = testing::small_results();
    finished.machines.push_back(MachineResult{.name = "m2",
                                              .data_plane = "tun",
                                              .control = {.messages_sent = 3, .bytes_sent = 99},
                                              .clock_error = {}});
    const Json document =
        Json::parse(run_document(unchecked_results(finished, "pleat-runs/r-7f3a", {}),
                                 testing::small_scenario(), true, true));
    CHECK(document.at("machines") == Json::array({"local", "m2"}));
    CHECK(document.at("control").at("machines").at(1) ==
          Json::parse(R"({"machine":"m2","messages_sent":3,"bytes_sent":99,"clock_error_us":0})"));
}

TEST_CASE("what is not there is null: an exit code, a start, a limit of a share") {
    RunFinished finished = testing::small_results();
    finished.hosts[0].exit_code = std::nullopt;
    finished.hosts[0].started = false;
    finished.flows[0].allowed_bps = {std::numeric_limits<std::uint64_t>::max()};
    const Json document =
        Json::parse(run_document(results(finished), testing::small_scenario(), false, false));
    CHECK(document.at("hosts").at(0).at("exit_code").is_null());
    CHECK(document.at("hosts").at(0).at("started_s").is_null());
    CHECK(document.at("flows").at(0).at("allowed_bps").at(0).is_null());
}

TEST_CASE("above a thousand flows a document holds them only when asked") {
    RunFinished finished = testing::small_results();
    const auto has_flows = [&finished](bool asked) {
        return Json::parse(run_document(results(finished), testing::small_scenario(), asked, false))
            .contains("flows");
    };
    finished.flows.resize(1000, finished.flows[0]);
    CHECK(has_flows(false));
    finished.flows.resize(1001, finished.flows[0]);
    CHECK_FALSE(has_flows(false));
    CHECK(has_flows(true));
}

TEST_CASE("text that is no UTF-8 does not spoil a document") {
    RunFinished finished = testing::small_results();
    finished.hosts[0].problem = "cannot execute '\xff\xfe'";
    CHECK_NOTHROW(
        Json::parse(run_document(results(finished), testing::small_scenario(), false, false)));
}

TEST_CASE("one document a line when several follow each other") {
    const std::string line = run_document(results(), testing::small_scenario(), false, false);
    CHECK(std::count(line.begin(), line.end(), '\n') == 1);
    CHECK(line.back() == '\n');
}

TEST_CASE("a row of paths gives microseconds, and null for no limit") {
    const Topology topology = testing::small_scenario().topology;
    Path path;
    path.latency = 10ms;
    path.rtt = 20ms;
    path.jitter = 1500ns;
    path.loss = Probability::of(0.25);
    path.links = {LinkId{0}};
    const Json row = Json::parse(path_row(topology, HostId{0}, HostId{1}, EpochId{3}, path));
    CHECK(row.at("src") == "client");
    CHECK(row.at("epoch") == 3);
    CHECK(row.at("latency_us") == 10000);
    CHECK(row.at("rtt_us") == 20000);
    CHECK(row.at("jitter_us") == 1.5);
    CHECK(row.at("loss") == 0.25);
    CHECK(row.at("bandwidth_bps").is_null());
    CHECK(row.at("hops") == Json::array({"client", "s1"}));
    CHECK_FALSE(row.contains("machines"));
}

TEST_CASE("a row of a path that is placed says what the real network takes, null if not known") {
    const Topology topology = testing::small_scenario().topology;
    const auto row = [&topology](const PlacedPath& placed) {
        return Json::parse(path_row(topology, HostId{0}, HostId{1}, EpochId{0}, Path{}, placed));
    };
    const Json between = row(
        {.source = "m1", .destination = "m2", .real = 3ms, .added = 7ms, .is_too_quick = false});
    CHECK(between.at("machines") == Json::array({"m1", "m2"}));
    CHECK(between.at("real_latency_us") == 3000);
    CHECK(between.at("added_latency_us") == 7000);
    CHECK(between.at("real_is_larger") == false);
    CHECK(
        row({.source = "m1", .destination = "m2", .real = 3ms, .added = 0ms, .is_too_quick = true})
            .at("real_is_larger") == true);
    const Json unknown = row({.source = "m1", .destination = "m2", .real = {}, .added = 10ms});
    CHECK(unknown.at("real_latency_us").is_null());
    CHECK(unknown.at("added_latency_us").is_null());
    const Json here = row({.source = "m1", .destination = "m1", .real = {}, .added = 10ms});
    CHECK(here.at("real_latency_us") == 0);
    CHECK(here.at("added_latency_us") == 10000);
}

TEST_CASE("the other documents carry a version") {
    CHECK(Json::parse(version_document("0.1.0")) == Json::parse(R"({"v":1,"version":"0.1.0"})"));
    const std::vector<ProblemRow> problems{
        {"a.yaml", 3, 7, "error", "unknown-name", "no bridge 's2'", "s1"}, {}};
    const Json document = Json::parse(problems_document(problems));
    CHECK(document.at("v") == 1);
    CHECK(document.at("problems").at(0) ==
          Json::parse(R"({"file":"a.yaml","line":3,"column":7,"severity":"error",
                          "code":"unknown-name","message":"no bridge 's2'","suggest":"s1"})"));
    CHECK(document.at("problems").at(1).at("suggest").is_null());
    CHECK(Json::parse(path_statistics_document({3, 2, 0.5, 100})) ==
          Json::parse(R"({"v":1,"epochs":3,"trees":2,"seconds":0.5,"bytes":100})"));
    CHECK(Json::parse(clean_document({}, true)).at("dry_run") == true);
    const std::vector<Probe> probes{{"tun", false, true, "missing", "load the module"},
                                    {"iperf3", false, false, "missing", ""}};
    const Json doctor = Json::parse(doctor_document(probes, "", "no TUN"));
    CHECK(doctor.at("ok") == false);
    CHECK(doctor.at("data_plane").is_null());
    CHECK(doctor.at("probes").at(0).at("hint") == "load the module");
    CHECK(Json::parse(doctor_document(std::span{probes}.subspan(1), "tun", "")).at("ok") == true);
}

TEST_CASE("the exit code of a run follows from its results") {
    RunFinished finished = testing::small_results();
    CHECK(exit_code_of(results(finished), false) == ExitCode::ok);
    CHECK(exit_code_of(results(finished), true) == ExitCode::fidelity);
    finished.failed = true;
    finished.problems = {"the node was lost"};
    CHECK(exit_code_of(results(finished), true) == ExitCode::failed);
    finished.exit_code = 8;
    CHECK(exit_code_of(results(finished), false) == ExitCode::missing_privilege);
    finished.interrupted = true;
    CHECK(exit_code_of(results(finished), false) == ExitCode::interrupted);
}

TEST_CASE("the summary names every host that failed, however many there are") {
    RunFinished finished = testing::small_results();
    const HostResult well = finished.hosts[0];
    HostResult ill = well;
    ill.exit_code = 3;
    ill.log = "logs/ill.log";
    finished.hosts.assign(100, well);
    finished.hosts.push_back(ill);
    const std::string text = summary(results(finished), testing::small_scenario());
    CHECK_THAT(text, Contains("run r-7f3a  done in 1m31s   fidelity: unchecked") &&
                         Contains("logs/ill.log") && Contains("60 hosts more") &&
                         Contains("pleat-runs/r-7f3a"));
}

TEST_CASE("an application that could not be started is told by its problem") {
    RunFinished finished = testing::small_results();
    finished.failed = true;
    finished.hosts[0].started = false;
    finished.hosts[0].exit_code = std::nullopt;
    finished.hosts[0].problem = "cannot execute 'iperf4': no such program";
    const std::string text = summary(results(finished), testing::small_scenario());
    CHECK_THAT(text, Contains("failed after") && Contains("cannot execute 'iperf4'"));
}

TEST_CASE("numbers are written as people read them") {
    CHECK(text_of(Duration{0}) == "0ms");
    CHECK(text_of(Duration{40ms}) == "40ms");
    CHECK(text_of(Duration{1500us}) == "1.5ms");
    CHECK(text_of(Duration{250us}) == "250us");
    CHECK(text_of(Duration{90s}) == "90s");
    CHECK(text_of(Bandwidth::unlimited()) == "unlimited");
    CHECK(text_of(Bandwidth::bits_per_second(58'900'000)) == "58.9 Mbit/s");
    CHECK(text_of(Bandwidth::bits_per_second(999)) == "999 bit/s");
    CHECK(percent(Probability::of(0.01)) == "1 %");
    CHECK(clock(34s) == "00:34");
    CHECK(clock(1h + 2min + 3s) == "1:02:03");
    CHECK(spoken(91s) == "1m31s");
    CHECK(spoken(2400ms) == "2.4s");
}

TEST_CASE("a table is aligned and has no spaces at its line ends") {
    CHECK(table({{"A", "LONG"}, {"value", "x"}, {"±", ""}}) == "A      LONG\nvalue  x\n±\n");
}

}  // namespace
}  // namespace pleat
