// The store keeps what it was given, whatever happens to the process or the file.
#include <csignal>
#include <fstream>
#include <random>

#include <catch2/catch.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.hh"
#include "base/file_descriptor.hh"
#include "controller/schema.hh"
#include "controller/sqlite.hh"
#include "controller/store.hh"
#include "tests/controller/plans.hh"
#include "tests/wire/temporary_directory.hh"

using namespace pleat;
using namespace pleat::testing;
using Catch::Contains;

namespace {

void check_same(const RunPlan& stored, const RunPlan& plan) {
    CHECK(stored.scenario == plan.scenario);
    CHECK(stored.source_text == plan.source_text);
    CHECK(stored.options.run_directory == plan.options.run_directory);
    CHECK(stored.epochs.base.hash() == plan.epochs.base.hash());
    REQUIRE(stored.epochs.epochs.size() == plan.epochs.epochs.size());
    for (std::size_t i = 1; i < plan.epochs.epochs.size(); ++i) {
        CHECK(stored.epochs.epochs[i].delta == plan.epochs.epochs[i].delta);
        CHECK(stored.epochs.epochs[i].events == plan.epochs.epochs[i].events);
        CHECK(stored.epochs.epochs[i].start == plan.epochs.epochs[i].start);
    }
}

std::string run_name(int number) {
    return "r-" + std::to_string(number);
}

// Adds runs for ever; writes a byte to `committed` after each.
[[noreturn]] void add_runs(const std::string& directory, int first, int committed) {
    {
        Store store{directory};
        for (int i = first;; ++i) {
            store.add_run(dumbbell_plan(run_name(i), "/tmp/x"), "now");
            const char byte = 'x';
            if (::write(committed, &byte, 1) != 1) break;
        }
    }
    ::_exit(1);
}

}  // namespace

TEST_CASE("a run comes back from the store as it was planned") {
    const TemporaryDirectory directory;
    const RunPlan plan = dumbbell_plan("r-1", "/tmp/r-1");
    {
        Store store{directory.path()};
        store.add_run(plan, "2024-01-01T00:00:00Z");
    }
    Store store{directory.path()};
    check_same(store.plan_of("r-1").value(), plan);
    CHECK(store.has_run("r-1"));
    CHECK_FALSE(store.has_run("r-2"));
    CHECK_FALSE(store.plan_of("r-2"));
}

TEST_CASE("the tables of the store say what the topology is") {
    const TemporaryDirectory directory;
    Store store{directory.path()};
    store.add_run(dumbbell_plan("r-1", "/tmp/r-1"), "now");
    Database database{store.path(), store_migrations()};
    const auto number = [&database](std::string_view sql) {
        Statement query = database.prepare(sql);
        query.query({});
        REQUIRE(query.next());
        return query.number(0);
    };
    CHECK(number("SELECT count(*) FROM host") == 2);
    CHECK(number("SELECT main FROM host WHERE name = 'a'") == 1);
    CHECK(number("SELECT count(*) FROM bridge") == 2);
    CHECK(number("SELECT count(*) FROM link WHERE bandwidth_bps IS NULL") == 2);
    CHECK(number("SELECT latency_ns FROM link WHERE bandwidth_bps = 60000000") == 10'000'000);
    CHECK(number("SELECT count(*) FROM event") == 3);
    CHECK(number("SELECT count(*) FROM epoch") == 3);
    CHECK(number("SELECT count(*) FROM epoch WHERE delta IS NULL") == 1);
    CHECK(number("SELECT count(*) FROM path_table") == 1);
    CHECK(number("SELECT count(*) FROM placement WHERE machine = 'local'") == 2);
}

TEST_CASE("a run goes through its states, and one that has not begun can be abandoned") {
    const TemporaryDirectory directory;
    {
        Store store{directory.path()};
        for (int i = 1; i <= 3; ++i) {
            store.add_run(dumbbell_plan(run_name(i), "/tmp/x"), "now");
        }
        store.set_under_way("r-2", "so far");
        store.set_state("r-3", RunState::running);
        store.end_run("r-3", RunState::failed, "a problem", "", "later");
    }
    Store store{directory.path()};
    CHECK(store.abandon_unstarted() == 1);
    CHECK(store.abandon_unstarted() == 0);
    const std::vector<StoredRun> runs = store.runs();
    REQUIRE(runs.size() == 3);
    CHECK(runs[0].state == "abandoned");
    CHECK(runs[1].state == "running");
    CHECK(store.results_of("r-2") == "so far");
    CHECK(runs[2].state == "failed");
    CHECK(runs[2].problem == "a problem");
    CHECK(runs[2].name == "dumbbell");
}

TEST_CASE("a change that is not committed leaves no trace") {
    const TemporaryDirectory directory;
    Store store{directory.path()};
    const RunPlan plan = dumbbell_plan("r-1", "/tmp/r-1");
    store.add_run(plan, "now");
    CHECK_THROWS_WITH(store.add_run(plan, "now"), Contains("UNIQUE constraint failed"));
    Database database{store.path(), store_migrations()};
    Statement count = database.prepare("SELECT count(*) FROM scenario");
    count.query({});
    REQUIRE(count.next());
    CHECK(count.number(0) == 1);
}

TEST_CASE("killed at any moment, the store opens again with all that was committed") {
    const TemporaryDirectory directory;
    std::mt19937_64 random{11};
    int committed = 0;
    for (int round = 0; round < 20; ++round) {
        std::array<int, 2> ends{};
        REQUIRE(::pipe(ends.data()) == 0);
        const FileDescriptor read_end{ends[0]};
        FileDescriptor write_end{ends[1]};
        const int first = 1000 * round;
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) add_runs(directory.path(), first, write_end.value());
        write_end.close();

        // Some commits, and then a moment more, so that it is killed in the midst of one.
        char byte = 0;
        int told = 0;
        const int wanted = static_cast<int>(random() % 4);
        while (told < wanted && ::read(read_end.value(), &byte, 1) == 1) ++told;
        const Instant until = monotonic_now() + std::chrono::microseconds{random() % 8000};
        while (monotonic_now() < until) {
        }
        ::kill(child, SIGKILL);
        REQUIRE(::waitpid(child, nullptr, 0) == child);
        while (::read(read_end.value(), &byte, 1) == 1) ++told;

        Store store{directory.path()};
        CHECK(store.integrity_problem().empty());
        for (int i = first; i < first + told; ++i) {
            const auto plan = store.plan_of(run_name(i));
            if (!plan) FAIL(plan.error().message);
            check_same(*plan, dumbbell_plan(run_name(i), "/tmp/x"));
        }
        // At most one more: committed, but not yet told.
        committed += told;
        const int there = static_cast<int>(store.runs().size());
        CHECK(there >= committed);
        CHECK(there <= committed + 1);
        committed = there;
    }
}

TEST_CASE("a file that is no database is refused with a reason, and kept") {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/pleat.db";
    std::ofstream{path} << std::string(5000, 'x');
    CHECK_THROWS_WITH(Store{directory.path()}, Contains(path) &&
                                                   Contains("file is not a database") &&
                                                   Contains("move it away"));
    CHECK(std::filesystem::file_size(path) == 5000);
}

TEST_CASE("a damaged database is refused with a reason") {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/pleat.db";
    {
        Store store{directory.path()};
        for (int i = 0; i < 20; ++i) {
            store.add_run(dumbbell_plan(run_name(i), "/tmp/x"), "now");
        }
    }
    {
        std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
        const auto size = static_cast<std::streamoff>(std::filesystem::file_size(path));
        for (std::streamoff at = 8192; at + 512 < size; at += 4096) {
            file.seekp(at);
            file << std::string(512, '\x55');
        }
    }
    CHECK_THROWS_WITH(Store{directory.path()}, Contains(path) && Contains("damaged"));
}

TEST_CASE("a database of a newer program, or of another one, is refused") {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/pleat.db";
    {
        Database database{path, store_migrations()};
        database.execute("PRAGMA user_version = 99");
    }
    CHECK_THROWS_WITH(Store{directory.path()}, Contains("a newer pleat made it"));
    std::filesystem::remove(path);
    {
        Database database{path, {}};
        database.execute("CREATE TABLE theirs (x INTEGER)");
    }
    CHECK_THROWS_WITH(Store{directory.path()}, Contains("it is not one of pleat's"));
}

TEST_CASE("migrations are applied once each, in order") {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/some.db";
    constexpr std::array<Migration, 2> kMigrations{
        Migration{"CREATE TABLE one (x INTEGER) STRICT;"},
        Migration{"ALTER TABLE one ADD COLUMN y INTEGER;"}};
    {
        const Database first{path, std::span{kMigrations}.first(1)};
    }
    for (int i = 0; i < 2; ++i) {
        Database database{path, kMigrations};
        database.prepare("INSERT INTO one VALUES (?, ?)").run({std::int64_t{1}, std::int64_t{2}});
    }
    CHECK_THROWS_WITH((Database{path, std::span{kMigrations}.first(1)}), Contains("newer"));
}

TEST_CASE("a directory that can't be made is told by its path") {
    CHECK_THROWS_WITH(Store{"/proc/nowhere"}, Contains("cannot make the directory /proc/nowhere"));
}

TEST_CASE("strict tables refuse a text where a number belongs") {
    const TemporaryDirectory directory;
    Store store{directory.path()};
    Database database{store.path(), store_migrations()};
    Statement insert = database.prepare("INSERT INTO bridge VALUES (?, ?, ?, ?)");
    CHECK_THROWS_AS(insert.run({std::int64_t{1}, "one", "s1", std::int64_t{0}}), Failure);
    CHECK_THROWS_WITH(insert.run({std::int64_t{1}, std::int64_t{0}, "s1", std::int64_t{0}}),
                      Contains("FOREIGN KEY constraint failed"));
}
