#include <csignal>
#include <fstream>
#include <future>
#include <utility>

#include <unistd.h>

#include "cli/run_session.hh"
#include "tests/cli/fake_controller.hh"
#include "tests/cli/world.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using testing::FakeController;

struct World {
    Interrupts interrupts;  // first: threads inherit what it blocks
    testing::TemporaryDirectory directory;
    RunLedger ledger = RunLedger::open(directory.path().string(), "r-7f3a");
    testing::Captured captured;

    std::string endpoint() const { return "ipc://" + directory.path().string() + "/control"; }

    RunSession session() const {
        RunSession session;
        session.submit = testing::small_submit();
        session.endpoint = endpoint();
        session.deadlines = {.submitting = 10s, .preparing = 10s, .running = 10s, .stopping = 10s};
        session.goodbye = 20ms;
        return session;
    }

    RunProcess process(const std::string& role, const std::string& script) const {
        return {.role = role,
                .command = {.arguments = {"/bin/sh", "-c", script},
                            .program = {},
                            .environment = {ledger.environment_mark()},
                            .directory = {},
                            .descriptors = {},
                            .parent_death_signal = SIGTERM,
                            .new_session = true},
                .log = (directory.path() / (role + ".log")).string()};
    }

    RunOutcome run(RunSession session) {
        return pleat::run(std::move(session), ledger, interrupts, captured.output);
    }
};

std::string contents(const std::string& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

// Answers as a controller does whose run takes no time.
void answer_well(const ControlMessage& message, const FakeController::Say& say) {
    if (std::holds_alternative<Submit>(message)) {
        say(Submitted{.run = "r-7f3a",
                      .hosts = 2,
                      .bridges = 1,
                      .links = 4,
                      .epochs = 1,
                      .paths = 2,
                      .took = 1ms});
    }
    if (std::holds_alternative<StartRun>(message)) {
        say(Stage{"hosts", "2/2 ready (data plane: tun)"});
        say(Stage{"begin", ""});
        say(testing::small_results());
    }
}

TEST_CASE("a session ends with the controller's results and says goodbye") {
    World world;
    std::promise<void> goodbye;
    {
        const FakeController controller{world.endpoint(),
                                        [&goodbye](const ControlMessage& message, const auto& say) {
                                            answer_well(message, say);
                                            if (std::holds_alternative<Shutdown>(message)) {
                                                goodbye.set_value();
                                            }
                                        }};
        RunSession session = world.session();
        // Lives until it is told to end, as a daemon does.
        session.processes = {world.process("node", "exec sleep 1000")};
        const RunOutcome outcome = world.run(std::move(session));
        REQUIRE(outcome.finished);
        CHECK(outcome.finished->hosts.size() == 2);
        CHECK(outcome.problems.empty());
        CHECK(goodbye.get_future().wait_for(5s) == std::future_status::ready);
    }
    CHECK_THAT(world.captured.notes, Contains("2/2 ready"));
}

TEST_CASE("a session with a controller that refuses ends with its words") {
    World world;
    const FakeController controller{world.endpoint(),
                                    [](const ControlMessage& message, const auto& say) {
                                        if (std::holds_alternative<Submit>(message)) {
                                            say(Refused{"the store is damaged"});
                                        }
                                    }};
    const RunOutcome outcome = world.run(world.session());
    CHECK_FALSE(outcome.finished);
    CHECK(outcome.aborted.message == "the store is damaged");
}

TEST_CASE("a session with a silent controller, or none, ends at its deadline") {
    World world;
    RunSession session = world.session();
    session.deadlines.submitting = 100ms;
    const RunOutcome outcome = world.run(std::move(session));
    CHECK_FALSE(outcome.finished);
    CHECK(outcome.aborted.code == ExitCode::controller_unreachable);
    CHECK_THAT(outcome.aborted.message, Contains("for the controller to accept the topology"));
}

TEST_CASE("a process that dies ends the session with the end of its log") {
    World world;
    RunSession session = world.session();
    session.processes = {world.process("controller", "exec sleep 1000"),
                         world.process("node", "echo no namespaces, see pleat doctor >&2; exit 8")};
    const RunOutcome outcome = world.run(std::move(session));
    CHECK_FALSE(outcome.finished);
    CHECK(outcome.aborted.code == ExitCode::missing_privilege);
    CHECK_THAT(outcome.aborted.message,
               Contains("the node ended unexpectedly (exited with code 8)") &&
                   Contains("  | no namespaces"));
}

TEST_CASE("a program that is not there is told by its name") {
    World world;
    RunSession session = world.session();
    session.processes = {world.process("node", "")};
    session.processes[0].command.arguments = {"/nowhere/pleat-node"};
    const RunOutcome outcome = world.run(std::move(session));
    CHECK_THAT(outcome.aborted.message, Contains("/nowhere/pleat-node"));
}

TEST_CASE("Ctrl-C stops the run and waits for its results") {
    World world;
    const FakeController controller{world.endpoint(),
                                    [](const ControlMessage& message, const auto& say) {
                                        if (std::holds_alternative<Submit>(message)) {
                                            say(Submitted{});
                                        }
                                        if (std::holds_alternative<StartRun>(message)) {
                                            say(Stage{"begin", ""});
                                            ::kill(::getpid(), SIGINT);
                                        }
                                        if (std::holds_alternative<StopRun>(message)) {
                                            say(testing::small_results());
                                        }
                                    }};
    const RunOutcome outcome = world.run(world.session());
    REQUIRE(outcome.finished);
    CHECK(outcome.finished->interrupted);
}

TEST_CASE("a second Ctrl-C kills what does not end, and all that carries the run's mark") {
    World world;
    const FakeController controller{world.endpoint(),
                                    [](const ControlMessage& message, const auto& say) {
                                        if (std::holds_alternative<Submit>(message)) {
                                            say(Submitted{});
                                        }
                                        if (std::holds_alternative<StartRun>(message)) {
                                            ::kill(::getpid(), SIGINT);
                                        }
                                        if (std::holds_alternative<StopRun>(message)) {
                                            ::kill(::getpid(), SIGTERM);
                                        }
                                    }};
    const std::string pid_file = (world.directory.path() / "pid").string();
    RunSession session = world.session();
    // Deaf to SIGTERM, with a child of its own, as a node has keepers.
    session.processes = {
        world.process("node", "trap '' TERM; sleep 1000 & echo $! > " + pid_file + "; wait")};
    const RunOutcome outcome = world.run(std::move(session));
    CHECK_FALSE(outcome.finished);
    CHECK(outcome.aborted.code == ExitCode::interrupted);
    CHECK(outcome.problems.empty());
    CHECK(find_leftovers({world.directory.path().string()}).empty());
    std::ifstream file{pid_file};
    std::string pid;
    // It may have been killed before it had a child. What nobody has reaped yet has no
    // environment any more.
    if (file >> pid) CHECK(contents("/proc/" + pid + "/environ").empty());
}

}  // namespace
}  // namespace pleat
