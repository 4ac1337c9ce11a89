// What is on the disk after a run: run.db, manifest.json, the store's row.
#include <fstream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "controller/kept_run.hh"
#include "controller/schema.hh"
#include "controller/sqlite.hh"
#include "tests/controller/plans.hh"
#include "tests/wire/temporary_directory.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

struct World {
    TemporaryDirectory directory;
    std::string run_directory = directory.path() + "/run";
    Store store{directory.path() + "/state"};
    RunPlan plan = dumbbell_plan("r-1", run_directory);
    std::unique_ptr<KeptRun> kept =
        std::make_unique<KeptRun>(store, plan, [] { return "2024-01-01T00:00:00Z"; });

    nlohmann::json manifest() const {
        std::ifstream file{run_directory + "/manifest.json"};
        return nlohmann::json::parse(file);
    }

    // The first column of the first row, as text; "null" for null.
    std::string answer(std::string_view sql) const {
        Database database{run_directory + "/run.db", run_migrations()};
        Statement query = database.prepare(sql);
        query.query({});
        REQUIRE(query.next());
        return query.is_null(0) ? "null" : query.text(0);
    }
};

}  // namespace

TEST_CASE("run.db holds every record of the log, and the end of the run") {
    World w;
    const FlowKey flow{HostId{0}, HostId{1}};
    const ExperimentTime second{1s};
    CHECK(w.kept->prepared("tun"));
    CHECK(w.kept->under_way({}));
    for (const LogRecord& record : std::vector<LogRecord>{
             EventRecord{second, second + 41us, EpochId{1}, "set s1->s2 10Mbps"},
             EventRecord{second, second, {}, "mark half"},
             DemandRecord{second, flow, DemandState::greedy()},
             DemandRecord{second, flow, DemandState::gone()}, ShareRecord{second, flow, 10'000'000},
             ShareRecord{second, flow, UINT64_MAX},
             SampleRecord{second, flow, 10'000'000, 9'900'000, 123},
             HostRecord{ExperimentTime{-1ms}, HostId{0}, "ready"}, LatenessRecord{second, 2ms, 1ms},
             TotalsRecord{"packets_in", 17}}) {
        CHECK(w.kept->add("local", record));
    }
    CHECK(w.kept->add("other", LatenessRecord{second, 3ms, 0ms}));
    RunFinished finished;
    finished.run = "r-1";
    finished.failed = true;
    finished.problems = {"client failed"};
    finished.data_plane = "tun";
    finished.hosts.resize(2);
    finished.hosts[0].address = "10.0.0.1";
    finished.hosts[0].started = true;
    finished.hosts[0].started_at = ExperimentTime{4ms};
    finished.hosts[0].exit_code = 3;
    finished.hosts[1].host = HostId{1};
    finished.control = {13, 412};
    CHECK(w.kept->finish(finished));
    w.kept.reset();

    CHECK(w.answer("SELECT late_ns FROM epoch WHERE epoch = 1") == "41000");
    CHECK(w.answer("SELECT late_ns FROM epoch WHERE epoch = 2") == "null");
    CHECK(w.answer("SELECT count(*) FROM event") == "2");
    CHECK(w.answer("SELECT demand_bps FROM demand ORDER BY position LIMIT 1") == "null");
    CHECK(w.answer("SELECT share_bps FROM share ORDER BY position") == "10000000");
    CHECK(w.answer("SELECT share_bps FROM share ORDER BY position DESC") == "null");
    CHECK(w.answer("SELECT measured_bps FROM sample") == "9900000");
    CHECK(w.answer("SELECT worst_ns FROM lateness WHERE machine = 'local'") == "2000000");
    CHECK(w.answer("SELECT owed_ns FROM lateness WHERE machine = 'local'") == "1000000");
    CHECK(w.answer("SELECT at_ns FROM lateness WHERE machine = 'other'") == "1000000000");
    CHECK(w.answer("SELECT at_ns FROM host_event WHERE what = 'ready'") == "-1000000");
    CHECK(w.answer("SELECT value FROM total WHERE counter = 'packets_in'") == "17");
    CHECK(w.answer("SELECT exit_code FROM host WHERE name = 'a'") == "3");
    CHECK(w.answer("SELECT started_ns FROM host WHERE name = 'b'") == "null");
    CHECK(w.answer("SELECT data_plane FROM run") == "tun");
    CHECK(w.answer("SELECT messages_sent FROM run") == "13");
    CHECK(w.answer("SELECT text FROM problem") == "client failed");
    CHECK(w.store.runs()[0].state == "failed");
    CHECK(w.store.runs()[0].problem == "client failed");
}

TEST_CASE("the manifest says what the run was made with") {
    World w;
    CHECK(w.manifest()["data_plane"].is_null());
    CHECK(w.kept->prepared("tun"));
    const nlohmann::json manifest = w.manifest();
    CHECK(manifest["v"] == 1);
    CHECK(manifest["pleat"] == PLEAT_VERSION);
    CHECK(manifest["run"] == "r-1");
    CHECK(manifest["seed"] == 42);
    CHECK(manifest["data_plane"] == "tun");
    CHECK(manifest["machine"]["cores"] > 0);
    CHECK(manifest["machine"]["memory_bytes"] > 0);
    CHECK_THAT(manifest["machine"]["kernel"].get<std::string>(), Contains("Linux"));
    CHECK_FALSE(manifest["machine"]["tcp_congestion_control"].get<std::string>().empty());
    REQUIRE(manifest["path_tables"].size() == 3);
    CHECK(manifest["path_tables"][1]["start_ns"] == 1'000'000'000);
    CHECK(manifest["path_tables"][1]["hash"] == hash_text(table_hashes(w.plan.epochs)[1]));
}

TEST_CASE("a run without an end leaves a run.db that says so") {
    World w;
    CHECK(w.kept->add("local", TotalsRecord{"packets_in", 17}));
    w.kept.reset();
    CHECK(w.answer("SELECT ended_at FROM run") == "null");
    CHECK(w.answer("SELECT count(*) FROM total") == "0");
}

TEST_CASE("results are never written over") {
    World w;
    const RunPlan again = dumbbell_plan("r-2", w.run_directory);
    CHECK_THROWS_WITH((KeptRun{w.store, again, utc_now}), Contains("is there already"));
    CHECK_FALSE(w.store.has_run("r-2"));
}

TEST_CASE("a run directory that can't be made is told by its path") {
    World w;
    const RunPlan plan = dumbbell_plan("r-2", "/proc/nowhere");
    CHECK_THROWS_WITH((KeptRun{w.store, plan, utc_now}), Contains("/proc/nowhere"));
}

TEST_CASE("a failing archive answers with the reason instead of throwing") {
    World w;
    REQUIRE(w.kept->add("local", TotalsRecord{"packets_in", 17}));
    std::filesystem::resize_file(w.run_directory + "/run.db", 0);
    RunFinished finished;
    finished.problems = {"p"};
    const auto outcome = w.kept->finish(finished);
    REQUIRE_FALSE(outcome);
    CHECK_THAT(outcome.error().message, Contains("run.db"));
    // The store has the end all the same.
    CHECK(w.store.runs()[0].problem == "p");
}
