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

TableActivated told_of(std::uint32_t epoch, std::uint32_t version = 1) {
    return {.version = version, .epoch = EpochId{epoch}, .planned = {}, .actual = {}};
}

// Seven epochs, a second each; their tables in a schedule.
struct Schedule {
    TemporaryDirectory directory{};
    Topology world = topology({"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms 10Mbps"});
    Scenario scenario{};
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
        scenario = testing::scenario(world, timeline);
        schedule.emplace(*tables, starts, recorder, plane);
    }

    TableSchedule& in_epoch_1() {
        schedule->prepare(Instant{90s});
        recorder.begin(kT0);
        schedule->begin();
        REQUIRE(schedule->activated(told_of(1)));
        return *schedule;
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
    CHECK_FALSE(schedule.activated(told_of(0)));  // since prepare()
    const auto first = schedule.activated(told_of(1));
    REQUIRE(first);
    CHECK(first->opens_epoch);
    CHECK(first->table->epoch() == EpochId{1});
    CHECK(schedule.in_force() == EpochId{1});
    CHECK(world.told().at(5) == kT0 + 5s);
    // A plane that was late says only the last of several.
    const auto third = schedule.activated(told_of(3));
    REQUIRE(third);
    CHECK(third->table->epoch() == EpochId{3});
    CHECK_FALSE(schedule.activated(told_of(2)));
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
    CHECK_FALSE(world.schedule->activated(told_of(2)));
    CHECK(world.schedule->activated(told_of(3)));
}

namespace {

// A change by hand: s1->b has this latency from `epoch` on.
std::vector<PathTableDelta> slower(const Schedule& world, std::vector<HandChange>& before,
                                   std::uint32_t epoch, Duration latency) {
    LinkPatch patch;
    patch.latency = latency;
    const auto version = static_cast<std::uint32_t>(before.size()) + 2;
    const HandChange change{.version = version,
                            .epoch = EpochId{epoch},
                            .events = {{.at = {},
                                        .event = LinkChange{link(world.world, "s1->b"), patch},
                                        .phase = Phase::by_hand,
                                        .overlay = 100 + version,
                                        .text = {}}}};
    std::vector<PathTableDelta> deltas = compute_version(world.scenario, before, change);
    before.push_back(change);
    return deltas;
}

Duration latency_of(const Schedule& world, const PathTable& table) {
    return table.link(link(world.world, "s1->b")).properties.latency;
}

void add(Schedule& world, const std::vector<PathTableDelta>& deltas, std::uint32_t based_on) {
    for (std::size_t i = 0; i < deltas.size(); ++i) {
        std::optional<std::uint32_t> base;
        if (i == 0) base = based_on;
        const auto hash = world.tables->add(deltas[i], base);
        REQUIRE(hash);
        CHECK(*hash == deltas[i].hash);
    }
}

}  // namespace

TEST_CASE("a version that comes in the midst of an epoch replaces the tables that are scheduled") {
    Schedule world;
    TableSchedule& schedule = world.in_epoch_1();
    std::vector<HandChange> changes;
    add(world, slower(world, changes, 1, 70ms), 1);
    const std::size_t before = world.plane.activations.size();
    REQUIRE(schedule.switch_version(2, kT0 + 1500ms, kT0 + 1400ms));
    // The plane had those of 2 to 5 already: each is replaced at its instant.
    std::map<std::uint32_t, Instant> replaced;
    for (std::size_t i = before; i < world.plane.activations.size(); ++i) {
        const auto& [table, when] = world.plane.activations[i];
        CHECK(table->version() == 2);
        CHECK(latency_of(world, *table) == 70ms);
        replaced[table->epoch().value] = when;
    }
    CHECK(replaced ==
          std::map<std::uint32_t, Instant>{
              {1, kT0 + 1500ms}, {2, kT0 + 2s}, {3, kT0 + 3s}, {4, kT0 + 4s}, {5, kT0 + 5s}});
    const auto by_hand = schedule.activated(told_of(1, 2));
    REQUIRE(by_hand);
    CHECK_FALSE(by_hand->opens_epoch);
    const auto second = schedule.activated(told_of(2, 2));
    REQUIRE(second);
    CHECK(second->opens_epoch);
    CHECK(world.told().at(6) == kT0 + 6s);
    // Another one on top of it, announced late: at once.
    add(world, slower(world, changes, 2, 90ms), 2);
    REQUIRE(schedule.switch_version(3, kT0 + 2100ms, kT0 + 2200ms));
    const auto& latest = *std::ranges::find_if(
        world.plane.activations, [](const auto& each) { return each.table->version() == 3; });
    CHECK(latest.when == kT0 + 2100ms);
    CHECK(latest.table->epoch() == EpochId{2});
    CHECK(latency_of(world, *latest.table) == 90ms);
}

TEST_CASE(
    "a schedule that is resumed after a change by hand goes on with its table, and no other") {
    Schedule world;
    std::vector<HandChange> before;
    add(world, slower(world, before, 1, 50ms), 1);
    add(world, slower(world, before, 2, 80ms), 2);
    world.recorder.begin(kT0);
    const auto table = world.schedule->resume(
        kT0 + 2500ms, TableSchedule::ByHand{.version = 3, .at = kT0 + 2200ms});
    CHECK(table->version() == 3);
    CHECK(table->epoch() == EpochId{2});
    CHECK(latency_of(world, *table) == 80ms);
    CHECK(world.told() ==
          std::map<std::uint32_t, Instant>{
              {2, kT0 + 2200ms}, {3, kT0 + 3s}, {4, kT0 + 4s}, {5, kT0 + 5s}, {6, kT0 + 6s}});
    for (const auto& each : world.plane.activations) CHECK(each.table->version() == 3);
    CHECK(world.schedule->has_switched_to(3));
    // It says so, for who waits for the change.
    const auto told = world.schedule->activated(told_of(2, 3));
    REQUIRE(told);
    CHECK_FALSE(told->opens_epoch);
    CHECK(world.schedule->activated(told_of(3, 3)));
}

TEST_CASE("a schedule that is resumed without the tables of a change has those of the file") {
    Schedule world;
    world.recorder.begin(kT0);
    const auto table = world.schedule->resume(
        kT0 + 2500ms, TableSchedule::ByHand{.version = 2, .at = kT0 + 2200ms});
    CHECK(table->version() == 1);
    CHECK(table->epoch() == EpochId{2});
    CHECK_FALSE(world.schedule->has_switched_to(2));
}

TEST_CASE("a version whose tables are not all here is not taken, and one that is late is overdue") {
    Schedule world;
    TableSchedule& schedule = world.in_epoch_1();
    std::vector<HandChange> changes;
    const std::vector<PathTableDelta> deltas = slower(world, changes, 1, 70ms);
    REQUIRE(world.tables->add(deltas[0], 1));
    // The plane has the old table of epoch 5, whose new one is not here.
    CHECK_FALSE(schedule.switch_version(2, kT0 + 1500ms, kT0 + 1400ms));
    for (std::size_t i = 1; i < 5; ++i) REQUIRE(world.tables->add(deltas[i]));
    CHECK(schedule.switch_version(2, kT0 + 1500ms, kT0 + 1400ms));
    CHECK_FALSE(schedule.overdue(kT0 + 5900ms));
    CHECK(schedule.overdue(kT0 + 6s));  // epoch 6 is not here
    REQUIRE(world.tables->add(deltas[5]));
    CHECK_FALSE(schedule.overdue(kT0 + 6s));
}

TEST_CASE("a version is in place of another that is based on the same and was never in force") {
    Schedule world;
    std::vector<HandChange> changes;
    std::vector<PathTableDelta> first = slower(world, changes, 1, 70ms);
    add(world, first, 1);
    add(world, first, 1);  // pushed again: answered again
    changes.clear();
    std::vector<PathTableDelta> other = slower(world, changes, 2, 80ms);
    for (PathTableDelta& delta : other) delta.version = 3;
    add(world, other, 1);
    CHECK_FALSE(world.tables->has(2, EpochId{1}));
    CHECK(world.tables->has(3, EpochId{2}));
    CHECK_FALSE(world.tables->has(3, EpochId{1}));
    // Based on what is not here, or from the middle.
    CHECK_FALSE(world.tables->add(first[1]));
    PathTableDelta lost = other[0];
    lost.version = 5;
    CHECK_FALSE(world.tables->add(lost, 4));
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

TEST_CASE("the real round trip to each other machine is among what is recorded in all") {
    const TemporaryDirectory directory;
    RunRecorder recorder{directory.path() + "/log"};
    recorder.round_trips({{"m2", 1ms}});  // before T0 there is no log
    recorder.begin(kT0);
    recorder.round_trips({{"m2", 1500us}, {"m3", 20ms}});
    recorder.flush();
    const auto log = records(recorder.path());
    REQUIRE(log.size() == 2);
    CHECK(std::get<TotalsRecord>(log[0]) == TotalsRecord{"round_trip_to_m2_ns", 1'500'000});
    CHECK(std::get<TotalsRecord>(log[1]) == TotalsRecord{"round_trip_to_m3_ns", 20'000'000});
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
