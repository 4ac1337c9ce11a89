// Parts of a run on a node: the schedule of its tables, its log, what became of its hosts.
#include <fstream>
#include <iterator>
#include <map>

#include <catch2/catch.hpp>

#include "model/epochs.hh"
#include "node/dataplane/recording_plane.hh"
#include "node/host_results.hh"
#include "node/run_recorder.hh"
#include "node/table_schedule.hh"
#include "tests/model/build.hh"
#include "tests/wire/temporary_directory.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

constexpr Instant kT0{100s};

std::vector<LogRecord> records(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    const std::string bytes{std::istreambuf_iterator<char>{file}, {}};
    std::vector<LogRecord> result;
    LogDecoder decoder;
    REQUIRE(decoder.feed(bytes, [&](const LogRecord& record) { result.push_back(record); }));
    CHECK(decoder.incomplete() == 0);
    return result;
}

// Seven epochs, a second each; their tables in a schedule.
struct Schedule {
    TemporaryDirectory directory{};
    Topology world = topology({"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms 10Mbps"});
    std::vector<ExperimentTime> starts{};
    RunRecorder recorder{directory.path() + "/log"};
    RecordingPlane plane{};
    std::optional<EpochTables> tables{};
    std::optional<TableSchedule> schedule{};

    Schedule() {
        const LinkId id = link(world, "a->s1");
        std::vector<TimedEvent> timeline;
        for (int i = 1; i < 7; ++i) {
            LinkPatch patch;
            patch.latency = i * 1ms;
            timeline.push_back(event(i * 1s, LinkChange{id, patch}));
        }
        const Epochs epochs = compute_epochs(testing::scenario(world, timeline));
        tables.emplace(epochs.base);
        starts.emplace_back();
        for (std::size_t i = 1; i < epochs.epochs.size(); ++i) {
            REQUIRE(tables->add(epochs.epochs[i].delta));
            starts.emplace_back(Duration{static_cast<std::int64_t>(i) * 1s});
        }
        REQUIRE(starts.size() == 7);
        schedule.emplace(*tables, starts, recorder, plane);
    }

    // Epochs that the plane was told of, with their instants.
    std::map<std::uint32_t, Instant> told() const {
        std::map<std::uint32_t, Instant> result;
        for (const auto& each : plane.activations) result[each.table->epoch().value] = each.when;
        return result;
    }
};

}  // namespace

TEST_CASE("the plane has the tables of a few epochs ahead, each with its instant") {
    Schedule world;
    TableSchedule& schedule = *world.schedule;
    schedule.prepare(Instant{90s});
    CHECK(world.told() == std::map<std::uint32_t, Instant>{{0, Instant{90s}}});
    world.recorder.begin(kT0);
    schedule.begin();
    REQUIRE(world.told().size() == 1 + EpochTables::kAhead);
    CHECK(world.told().at(4) == kT0 + 4s);
    CHECK(schedule.activated(EpochId{0}) == nullptr);  // since prepare()
    const auto first = schedule.activated(EpochId{1});
    REQUIRE(first != nullptr);
    CHECK(first->epoch() == EpochId{1});
    CHECK(schedule.in_force() == EpochId{1});
    CHECK(world.told().at(5) == kT0 + 5s);
    // A plane that was late says only the last of several.
    const auto third = schedule.activated(EpochId{3});
    REQUIRE(third != nullptr);
    CHECK(third->epoch() == EpochId{3});
    CHECK(schedule.activated(EpochId{2}) == nullptr);
}

TEST_CASE("a schedule that is resumed goes on with the table of now") {
    Schedule world;
    world.recorder.begin(kT0);
    const auto table = world.schedule->resume(kT0 + 2500ms);
    REQUIRE(table != nullptr);
    CHECK(table->epoch() == EpochId{2});
    CHECK(world.schedule->in_force() == EpochId{2});
    CHECK(world.told() ==
          std::map<std::uint32_t, Instant>{
              {2, kT0 + 2s}, {3, kT0 + 3s}, {4, kT0 + 4s}, {5, kT0 + 5s}, {6, kT0 + 6s}});
    CHECK(world.schedule->activated(EpochId{2}) == nullptr);
    CHECK(world.schedule->activated(EpochId{3}) != nullptr);
}

TEST_CASE("what happens to hosts before T0 is recorded once T0 is known, and at once") {
    const TemporaryDirectory directory;
    RunRecorder recorder{directory.path() + "/log"};
    recorder.host(HostId{1}, kT0 - 500ms, "started");
    recorder.event(ExperimentTime{}, kT0 - 400ms, "of no time: not recorded");
    recorder.flush();
    CHECK(records(recorder.path()).empty());
    recorder.begin(kT0);
    recorder.host(HostId{1}, kT0 + 1s, "exited 3");
    const auto log = records(recorder.path());
    REQUIRE(log.size() == 2);
    CHECK(std::get<HostRecord>(log[0]) == HostRecord{ExperimentTime{-500ms}, HostId{1}, "started"});
    const auto& exited = std::get<HostRecord>(log[1]);
    CHECK(exited.at == ExperimentTime{1s});
    CHECK(exit_code_told(exited) == 3);
    CHECK(exit_code_told(std::get<HostRecord>(log[0])) == std::nullopt);
    CHECK(exit_code_told(HostRecord{{}, HostId{1}, "exited "}) == std::nullopt);
    CHECK_FALSE(recorder.problem());
}

TEST_CASE("results say what became of a host in its last life") {
    const TemporaryDirectory directory;
    const Topology world = topology({"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms 10Mbps"});
    const AddressPlan plan =
        parse_address_plan(testing::scenario(world).addresses, world.hosts().size()).value();
    HostResults results{world, plan, {HostId{0}, HostId{1}}};
    RunRecorder recorder{directory.path() + "/log"};
    recorder.begin(kT0);
    results.started(HostId{1}, kT0 + 1s);
    results.exited(HostId{1}, 7, "");
    results.ended_by_us(HostId{1});
    CHECK(results.was_ended_by_us(HostId{1}));
    results.revived(HostId{1});
    results.started(HostId{1}, kT0 + 2s);
    const auto all = results.all(recorder);
    REQUIRE(all.size() == 2);
    CHECK_FALSE(all[0].started);
    CHECK(all[0].log == "logs/" + world.host(HostId{0}).name + ".log");
    CHECK(all[1].host == HostId{1});
    CHECK(all[1].started);
    CHECK(all[1].started_at == ExperimentTime{2s});
    CHECK_FALSE(all[1].exit_code);
    CHECK_FALSE(all[1].ended_by_us);
}
