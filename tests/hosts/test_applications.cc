#include <csignal>

#include <catch2/catch.hpp>

#include "tests/hosts/fleet_world.hh"

using namespace std::chrono_literals;

namespace pleat {

namespace {

Application ready_when(Application application, const ReadyCondition& condition) {
    application.ready = condition;
    return application;
}

}  // namespace

TEST_CASE("an application's start, exit code, output and environment are reported") {
    if (!can_make_hosts()) return;
    Application application = shell("echo $PLEAT_HOST $PLEAT_ADDRESS $GREETING; exit 3");
    application.environment = {{"GREETING", "hello"}};
    FleetWorld world{scenario_of({{"client[0]", application}})};
    world.create();
    const HostId host = world.host("client[0]");
    const Instant before = monotonic_now();
    world.fleet->start(host);
    CHECK(world.fleet->running(host));

    const auto exited = world.wait_for<HostExited>(host);
    REQUIRE(exited);
    CHECK(exited->exit_code == 3);
    CHECK_FALSE(world.fleet->running(host));
    CHECK(world.log("client[0]") == "client[0] 10.0.0.1 hello\n");
    const auto started = world.wait_for<HostStarted>(host);
    REQUIRE(started);
    CHECK(started->at > before);
    CHECK(started->at < exited->at);
    CHECK(world.count<HostReady>() == 1);
}

TEST_CASE("an application that a signal ends has the exit code 128 + n") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"a", shell("kill -USR1 $$")}})};
    world.create();
    world.fleet->start(HostId{0});
    const auto exited = world.wait_for<HostExited>(HostId{0});
    REQUIRE(exited);
    CHECK(exited->exit_code == 128 + SIGUSR1);
}

TEST_CASE("an application that can't be started is reported with the reason") {
    if (!can_make_hosts()) return;
    Application missing;
    missing.arguments = {"iperf4", "-s"};
    FleetWorld world{scenario_of({{"a", missing}})};
    world.create();
    world.fleet->start(HostId{0});
    const auto exited = world.wait_for<HostExited>(HostId{0});
    REQUIRE(exited);
    CHECK_FALSE(exited->exit_code);
    CHECK(exited->problem == "cannot execute 'iperf4': No such file or directory");
    CHECK(world.count<HostStarted>() == 0);
    CHECK_FALSE(world.fleet->running(HostId{0}));
}

TEST_CASE("a host is ready when a socket listens, a file is there, or its delay is over") {
    if (!can_make_hosts()) return;
    const ScratchDirectory scratch;
    FleetWorld world{scenario_of(
        {{"port", ready_when(shell("exec iperf3 -s -p 5999"), ReadyWhenListening{5999})},
         {"file", ready_when(shell("touch '" + (scratch / "there") + "'; exec sleep 100"),
                             ReadyWhenFile{scratch / "there"})},
         {"delay", ready_when(shell("exec sleep 100"), ReadyAfter{50ms})}})};
    world.create();
    for (const char* const name : {"port", "file", "delay"}) {
        world.fleet->start(world.host(name));
        INFO(name);
        CHECK(world.wait_for<HostReady>(world.host(name)));
    }
    const auto started = world.wait_for<HostStarted>(world.host("delay"));
    const auto ready = world.wait_for<HostReady>(world.host("delay"));
    REQUIRE((started && ready));
    CHECK(ready->at - started->at >= 50ms);
}

TEST_CASE("a host that never becomes ready is ended and says what it waited for") {
    if (!can_make_hosts()) return;
    FleetWorld world{
        scenario_of({{"a", ready_when(shell("exec sleep 100"), ReadyWhenListening{5201})}}),
        [](FleetOptions& options) { options.ready_deadline = 200ms; }};
    world.create();
    world.fleet->start(HostId{0});
    const auto exited = world.wait_for<HostExited>(HostId{0});
    REQUIRE(exited);
    CHECK_FALSE(exited->exit_code);
    CHECK(exited->problem == "not ready within 200 ms: no socket listens on TCP port 5201");
    CHECK_FALSE(world.fleet->running(HostId{0}));
}

TEST_CASE("stop lets an application end itself, and kills one that does not") {
    if (!can_make_hosts()) return;
    FleetWorld world{
        scenario_of({{"polite", shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done")},
                     {"rude", shell("trap '' TERM; echo up; while :; do sleep 0.05; done")}})};
    world.create();
    const HostId polite = world.host("polite");
    const HostId rude = world.host("rude");
    world.fleet->start(polite);
    world.fleet->start(rude);
    REQUIRE(world.turn_until(
        [&] { return world.log("polite") == "up\n" && world.log("rude") == "up\n"; }));
    const Instant told = monotonic_now();
    world.fleet->stop(polite);
    world.fleet->stop(rude);
    const auto polite_end = world.wait_for<HostExited>(polite);
    const auto rude_end = world.wait_for<HostExited>(rude);
    REQUIRE((polite_end && rude_end));
    CHECK(polite_end->exit_code == 7);
    CHECK(polite_end->at - told < 2s);
    CHECK(rude_end->exit_code == 128 + SIGKILL);
    CHECK(rude_end->at - told >= 2s);
}

TEST_CASE("crash kills at once, and the host can start again") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"a", shell("trap '' TERM; echo up; exec sleep 100")}})};
    world.create();
    world.fleet->start(HostId{0});
    REQUIRE(world.wait_for<HostStarted>(HostId{0}));
    world.fleet->crash(HostId{0});
    const auto exited = world.wait_for<HostExited>(HostId{0});
    REQUIRE(exited);
    CHECK(exited->exit_code == 128 + SIGKILL);
    world.fleet->start(HostId{0});
    CHECK(world.turn_until([&] { return world.count<HostStarted>() == 2; }));
}

TEST_CASE("start during a stop waits until everything of before is gone") {
    if (!can_make_hosts()) return;
    // The application ends at once; a child that ignores SIGTERM is left behind.
    FleetWorld world{scenario_of(
        {{"a", shell("(trap '' TERM; echo up; while :; do sleep 0.05; done) & sleep 100")}})};
    world.create();
    world.fleet->start(HostId{0});
    REQUIRE(world.turn_until([&] { return world.log("a") == "up\n"; }));
    world.fleet->stop(HostId{0});
    REQUIRE(world.wait_for<HostExited>(HostId{0}));
    world.fleet->start(HostId{0});
    REQUIRE(world.turn_until([&] { return world.count<HostStarted>() == 2; }));
    // The kill of the stop must not hit the new one: nothing ends within its 2 s.
    const Instant later = monotonic_now() + 2500ms;
    world.turn_until([&] { return monotonic_now() > later; });
    CHECK(world.count<HostExited>() == 1);
    CHECK(world.fleet->running(HostId{0}));
}

TEST_CASE("pause stops all of a host's processes, resume lets them go on") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"a", shell("exec sleep 100")}})};
    world.create();
    world.fleet->start(HostId{0});
    REQUIRE(world.wait_for<HostStarted>(HostId{0}));
    const pid_t application = child_of(world.keeper_of("a"));
    REQUIRE(application > 0);
    world.fleet->pause(HostId{0});
    CHECK(world.turn_until([&] { return state_of(application) == 'T'; }));
    world.fleet->resume(HostId{0});
    CHECK(world.turn_until([&] { return state_of(application) != 'T'; }));
    CHECK(state_of(application) != '-');
}

TEST_CASE("a command on a host ends with its exit code and writes into the host's log") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"a", shell("exec sleep 100")}})};
    world.create();
    world.fleet->start(HostId{0});
    world.fleet->execute(HostId{0}, 1, {"sh", "-c", "echo from exec; exit 5"});
    world.fleet->execute(HostId{0}, 2, {"/no/such/program"});
    REQUIRE(world.turn_until([&] { return world.count<ExecEnded>() == 2; }));
    for (const HostReport& report : world.reports) {
        const auto* const ended = std::get_if<ExecEnded>(&report);
        if (ended == nullptr) continue;
        CHECK(ended->exit_code == (ended->token == 1 ? 5 : 127));
    }
    CHECK(world.log("a").find("from exec\n") != std::string::npos);
    CHECK(world.log("a").find("cannot execute '/no/such/program'") != std::string::npos);
    CHECK(world.fleet->running(HostId{0}));
}

TEST_CASE("orphans of an application are reaped and end with the applications") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"a", shell("(sleep 100 & sleep 100 &) ; exit 0")}})};
    world.create();
    world.fleet->start(HostId{0});
    REQUIRE(world.wait_for<HostExited>(HostId{0}));
    CHECK(child_of(world.keeper_of("a")) > 0);
    bool done = false;
    world.fleet->end_applications([&done] { done = true; });
    REQUIRE(world.turn_until([&done] { return done; }));
    CHECK(child_of(world.keeper_of("a")) == 0);
}

}  // namespace pleat
