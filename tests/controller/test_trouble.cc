// Trouble that is one run's, or one order's, alone. The disk that is full is a trigger in the
// store which refuses what is written to a table.
#include <filesystem>

#include <catch2/catch.hpp>

#include "base/log.hh"
#include "controller/active_runs.hh"
#include "controller/schema.hh"
#include "controller/store.hh"
#include "tests/controller/daemon_world.hh"
#include "wire/keys.hh"

using namespace pleat;
using namespace pleat::testing;
using Catch::Contains;

namespace {

// While it lives, the store can't be written to where `what` says: "INSERT ON token".
class FullDisk {
  public:
    FullDisk(const std::string& state, const std::string& what)
        : store_{state + "/pleat.db", store_migrations()} {
        run("CREATE TRIGGER full BEFORE " + what +
            " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END");
    }

    ~FullDisk() { run("DROP TRIGGER full"); }

    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

  private:
    void run(const std::string& sql) { store_.prepare(sql).run({}); }

    Database store_;
};

// Two machines with two runs under way on both of them.
struct World : DaemonWorld {
    World() {
        more_doors = {"tcp://127.0.0.1:*"};  // else there is no token
        {
            Store store{state};
            const std::string token = make_key_pair().public_key;
            store.add_token(token, false, "then");
            store.add_machine(token, "m9", make_key_pair().public_key, "then");
        }
        open();
        for (const char* name : {"m1", "m2"}) {
            nodes.push_back(std::make_unique<FakeNode>(loop, endpoint, 1, name));
        }
        REQUIRE(until([this] {
            told.clear();
            cli->send(ListMachines{});
            return hear<Machines>().machines.size() == 3;
        }));
        for (const char* run : {"r-1", "r-2"}) {
            submit(run);
            REQUIRE(until([&] { return heard_of<Submitted>(run) != nullptr; }));
            cli->send(StartRun{run});
            REQUIRE(until([&] { return heard_of<Progress>(run) != nullptr; }));
        }
    }

    std::string refusal(const ControlMessage& order) {
        told.clear();
        cli->send(order);
        return hear<Refused>().message;
    }

    const RunFinished& end(const std::string& run) {
        for (const auto& each : nodes) each->end_run(run, false);
        REQUIRE(until([&] { return heard_of<RunFinished>(run) != nullptr; }));
        return *heard_of<RunFinished>(run);
    }

    std::string state_of(const std::string& run) {
        told.clear();
        cli->send(ListRuns{});
        for (const RunInfo& info : hear<Runs>().runs) {
            if (info.run == run) return info.state;
        }
        return {};
    }

    std::vector<std::unique_ptr<FakeNode>> nodes;
};

}  // namespace

TEST_CASE("an order that the store can't keep is refused with the reason, and harms no run") {
    World w;
    using Case = std::pair<std::string, ControlMessage>;
    const std::vector<Case> cases{
        {"INSERT ON token", MakeToken{}},
        {"INSERT ON machine_label", LabelMachine{"m9", {"fast"}}},
        {"DELETE ON machine", RemoveMachine{"m9"}},
        {"INSERT ON way", CheckMachines{}},
        {"INSERT ON run", dumbbell_submit("r-3", w.directory.path() + "/r-3")},
    };
    for (const auto& [what, order] : cases) {
        INFO(what);
        {
            const FullDisk disk{w.state, what};
            CHECK_THAT(w.refusal(order), Contains("the disk is full"));
        }
        CHECK_FALSE(std::filesystem::exists(w.directory.path() + "/r-3"));
        CHECK(w.state_of("r-1") == "running");
        CHECK(w.state_of("r-2") == "running");
    }
    // With room again each of them is carried out.
    w.told.clear();
    for (const auto& [what, order] : cases) w.cli->send(order);
    w.hear<Token>();
    w.hear<Ways>();
    w.hear<Submitted>();
    for (const char* run : {"r-1", "r-2"}) {
        const RunFinished& finished = w.end(run);
        CHECK_FALSE(finished.failed);
        CHECK(finished.problems.empty());
    }
}

TEST_CASE("a run whose end the store can't keep says so, is not lost, and is kept when it can") {
    World w;
    {
        const FullDisk disk{w.state,
                            "UPDATE ON run WHEN NEW.state NOT IN ('submitted', 'running')"};
        const RunFinished& finished = w.end("r-1");
        CHECK(finished.failed);
        REQUIRE(finished.problems.size() == 1);
        CHECK_THAT(finished.problems[0], Contains("the disk is full"));
        CHECK(w.state_of("r-1") == "failed");
        CHECK(w.state_of("r-2") == "running");
        // Told again to who asks.
        w.told_of.clear();
        w.cli->send(Watch{.run = "r-1"});
        REQUIRE(w.until([&] { return w.heard_of<RunFinished>("r-1") != nullptr; }));
        CHECK(w.heard_of<RunFinished>("r-1")->flows.size() == 1);
        // A controller that is started anew might need it.
        CHECK(w.nodes[0]->forgotten.empty());
    }
    CHECK(w.until([&] {
        return w.nodes[0]->forgotten.contains("r-1") && w.nodes[1]->forgotten.contains("r-1");
    }));
    CHECK_FALSE(w.end("r-2").failed);
    w.daemon.reset();
    Store store{w.state};
    CHECK(store.runs().at(0).state == "failed");
    CHECK(store.runs().at(0).problem.find("the disk is full") != std::string::npos);
    CHECK(store.runs().at(1).state == "done");
}

TEST_CASE("a run that can't write its beginning fails in the end, and the other does not") {
    World w;
    const FullDisk disk{w.state, "UPDATE ON run WHEN NEW.run = 'r-3' AND NEW.state = 'running'"};
    w.submit("r-3");
    REQUIRE(w.until([&] { return w.heard_of<Submitted>("r-3") != nullptr; }));
    w.cli->send(StartRun{"r-3"});
    REQUIRE(w.until([&] { return w.heard_of<Progress>("r-3") != nullptr; }));
    const RunFinished& finished = w.end("r-3");
    CHECK(finished.failed);
    CHECK_THAT(finished.problems.at(0), Contains("the disk is full"));
    CHECK_FALSE(w.end("r-1").failed);
    CHECK_FALSE(w.end("r-2").failed);
}

TEST_CASE("what goes wrong in one run's doing ends that run and no other") {
    log::silence();
    const TemporaryDirectory directory;
    Store store{directory.path()};
    ActiveRuns runs;
    std::map<std::string, std::vector<RunFinished>> ends;
    for (const std::string run : {"r-1", "r-2", "r-3"}) {
        const auto keep_end = [&ends, run](const ControlMessage& message) {
            if (const auto* end = std::get_if<RunFinished>(&message)) ends[run].push_back(*end);
        };
        runs.add(std::make_unique<ActiveRun>(
            store, dumbbell_plan(run, directory.path() + "/" + run), SessionDeadlines{},
            SessionOutputs{.to_cli = keep_end,
                           .to_node = [](const std::string&, const ControlMessage&) {},
                           .fresh_key = [] { return std::string(32, 'k'); }},
            std::nullopt));
    }
    std::vector<std::string> done_for;
    SECTION("asked for") {
        const Result<void> done =
            runs.with("r-2", [](ActiveRun&) { throw Failure{"no memory left"}; });
        REQUIRE_FALSE(done);
        CHECK(done.error().message == "no memory left");
        CHECK(runs.with("r-3", [](ActiveRun&) {}));
    }
    SECTION("in passing") {
        runs.with_each([&done_for](ActiveRun& run) {
            done_for.push_back(run.plan.options.run);
            if (done_for.back() == "r-2") throw Failure{"no memory left"};
        });
        CHECK(done_for == std::vector<std::string>{"r-1", "r-2", "r-3"});
    }
    CHECK(ends.size() == 1);
    REQUIRE(ends["r-2"].size() == 1);
    CHECK(ends["r-2"][0].failed);
    CHECK(ends["r-2"][0].problems == std::vector<std::string>{"no memory left"});
    const auto finished = runs.take_finished();
    REQUIRE(finished.size() == 1);
    CHECK(finished[0]->plan.options.run == "r-2");
    CHECK(runs.find("r-2") == nullptr);
    CHECK(runs.find("r-3") != nullptr);
}
