// The files from which a node daemon that is started anew takes over a run.
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "node/ended_run.hh"
#include "node/log_so_far.hh"
#include "node/run_journal.hh"
#include "tests/model/build.hh"
#include "tests/wire/temporary_directory.hh"
#include "wire/log_file.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

TEST_CASE("a journal gives back what was told, once the run has begun") {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/journal";
    const Topology world = topology({"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms 10Mbps"});
    const Scenario scenario = testing::scenario(world, {event(1s, LinkDown{link(world, "a->s1")})});
    const Epochs epochs = compute_epochs(scenario);
    RunOptions options;
    options.run = "r-1";
    const PrepareRun prepare{.options = options,
                             .scenario = scenario,
                             .local_hosts = {HostId{0}, HostId{1}},
                             .base = epochs.base,
                             .epoch_starts = {ExperimentTime{}, ExperimentTime{1s}},
                             .epoch_events = {{}, {"down a->s1"}},
                             .peers = {}};
    CHECK_FALSE(read_journal(path));
    RunJournal journal{path};
    // It holds the keys of ways to other machines.
    CHECK(std::filesystem::status(path).permissions() ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    journal.add(WayOpened{.endpoint = "10.0.0.1:7500"});
    journal.add(prepare);
    journal.add(PrepareEpoch{epochs.epochs[1].delta});
    CHECK_FALSE(read_journal(path));
    journal.add(ConfirmBegin{Instant{7s}});
    const auto check = [&] {
        const std::optional<JournaledRun> read = read_journal(path);
        REQUIRE(read);
        CHECK(read->prepare == prepare);
        REQUIRE(read->epochs.size() == 1);
        CHECK(read->epochs[0].delta == epochs.epochs[1].delta);
        CHECK(read->t0 == Instant{7s});
        CHECK(read->way == "10.0.0.1:7500");
    };
    check();
    std::ofstream{path, std::ios::app} << "half a message";
    check();
}

TEST_CASE("the log of a killed node says what was done, and loses only its torn end") {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/node.log";
    const DemandState greedy = DemandState::greedy();
    const std::string whole =
        framed(EventRecord{ExperimentTime{1s}, ExperimentTime{1s}, EpochId{1}, "set"}) +
        framed(DemandRecord{ExperimentTime{1100ms}, {HostId{1}, HostId{0}}, greedy}) +
        framed(DemandRecord{ExperimentTime{1100ms}, {HostId{0}, HostId{1}}, greedy}) +
        framed(HostRecord{ExperimentTime{1500ms}, HostId{1}, "started"}) +
        framed(DemandRecord{ExperimentTime{1700ms}, {HostId{0}, HostId{1}}, DemandState::gone()});
    const std::string torn = framed(HostRecord{ExperimentTime{2s}, HostId{1}, "exited 0"});
    std::ofstream{path} << whole << torn.substr(0, torn.size() - 1);
    const LogSoFar log = read_log_so_far(path);
    CHECK(log.epochs == std::set<EpochId>{EpochId{1}});
    REQUIRE(log.hosts.size() == 1);
    CHECK(log.hosts[0].what == "started");
    CHECK(log.last == ExperimentTime{1500ms});
    CHECK(log.demands == std::vector<FlowState>{{{HostId{1}, HostId{0}}, greedy}});
    CHECK(std::filesystem::file_size(path) == whole.size());
    const Topology world = topology({"a -- s1: 5ms 10Mbps"});
    const LinkDown down{link(world, "a->s1")};
    const std::vector<TimedEvent> timeline{event(1s, down), event(1500ms, down),
                                           event(1501ms, down)};
    CHECK(log.events_done(timeline) == 2);
}

TEST_CASE("what a run has come to is kept in a file, and told from any place of its log") {
    const TemporaryDirectory directory;
    const std::string log = directory.path() + "/log";
    std::ofstream{log} << "0123456789";
    RunEnded results;
    results.reason = "over";
    results.problems = {"one"};
    const EndedRun run{.results = results, .log = log, .directory = directory.path()};
    keep_ended_run(directory.path() + "/ended", run);
    const Result<EndedRun> read = read_ended_run(directory.path() + "/ended", log);
    REQUIRE(read);
    std::vector<ControlMessage> told;
    read->tell([&told](const ControlMessage& message) { told.push_back(message); }, 4);
    CHECK(told == std::vector<ControlMessage>{run.results, LogChunk{4, "456789"}, LogEnd{10}});
    std::ofstream{directory.path() + "/ended"} << "nonsense";
    CHECK_FALSE(read_ended_run(directory.path() + "/ended", log));
}
