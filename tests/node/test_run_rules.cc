// When hosts start and when a run ends.
#include <catch2/catch.hpp>

#include "model/missed_machines.hh"
#include "model/run_rules.hh"

using namespace pleat;

namespace {

constexpr HostId kA{0};
constexpr HostId kB{1};

// Hosts a and b that run something; the test changes what matters to it.
Scenario two_hosts() {
    Scenario scenario;
    scenario.applications.resize(2);
    for (Application& application : scenario.applications) application.arguments = {"true"};
    return scenario;
}

std::vector<HostId> all_hosts(const Scenario& scenario) {
    std::vector<HostId> hosts;
    hosts.reserve(scenario.applications.size());
    for (std::uint32_t i = 0; i < scenario.applications.size(); ++i) hosts.push_back(HostId{i});
    return hosts;
}

TimedEvent host_event(HostAction::Kind kind, HostId host) {
    return TimedEvent{.at = ExperimentTime{std::chrono::seconds{1}},
                      .event = HostAction{kind, host},
                      .phase = Phase::lasting,
                      .overlay = 0,
                      .text = "event"};
}

}  // namespace

TEST_CASE("a host with a ready condition starts before T0, the others at T0") {
    Scenario scenario = two_hosts();
    scenario.applications[0].ready = ReadyWhenListening{5201};
    RunProgress progress{scenario, true, all_hosts(scenario)};
    CHECK(progress.due(false) == std::vector{kA});
    CHECK_FALSE(progress.barrier_reached());
    CHECK(progress.waited_for() == std::vector{kA});
    progress.started(kA);
    progress.ready(kA);
    CHECK(progress.barrier_reached());
    CHECK(progress.due(true) == std::vector{kB});
    CHECK(progress.due(true).empty());
}

TEST_CASE(
    "a host waits for those of its `after:`, and the barrier does not wait for what starts at T0") {
    Scenario scenario = two_hosts();
    scenario.applications[0].ready = ReadyWhenListening{1};
    scenario.applications[0].after = {kB};  // b has no ready condition: it starts at T0
    RunProgress progress{scenario, true, all_hosts(scenario)};
    CHECK(progress.due(false).empty());
    CHECK(progress.barrier_reached());
    CHECK(progress.due(true) == std::vector{kB});
    progress.started(kB);
    progress.ready(kB);
    CHECK(progress.due(true) == std::vector{kA});
}

TEST_CASE("a run is over when all main hosts have ended, whatever else runs") {
    Scenario scenario = two_hosts();
    scenario.applications[1].main = true;
    RunProgress progress{scenario, true, all_hosts(scenario)};
    static_cast<void>(progress.due(true));
    progress.started(kA);
    progress.started(kB);
    CHECK_FALSE(progress.over());
    progress.ended(kB, 0, false);
    CHECK(progress.over());
    CHECK_FALSE(progress.failed());
}

TEST_CASE("a main host that an event will start has not ended before it") {
    Scenario scenario = two_hosts();
    scenario.applications[0].main = true;
    scenario.applications[1].main = true;
    scenario.applications[1].manual = true;
    scenario.timeline = {host_event(HostAction::Kind::start, kB)};
    RunProgress progress{scenario, true, all_hosts(scenario)};
    CHECK(progress.due(true) == std::vector{kA});
    progress.started(kA);
    progress.ended(kA, 0, false);
    CHECK_FALSE(progress.over());
    progress.started_by_event(kB);
    progress.events_done(1);
    progress.started(kB);
    CHECK_FALSE(progress.over());
    progress.ended(kB, 137, true);  // crashed by an event: not a failure
    CHECK(progress.over());
    CHECK_FALSE(progress.failed());
}

TEST_CASE("a main host that ends non-zero by itself, or cannot start, fails the run") {
    Scenario scenario = two_hosts();
    scenario.applications[0].main = true;
    SECTION("non-zero") {
        RunProgress progress{scenario, true, all_hosts(scenario)};
        progress.ended(kA, 3, false);
        CHECK(progress.failed());
    }
    SECTION("not started") {
        RunProgress progress{scenario, true, all_hosts(scenario)};
        progress.ended(kA, std::nullopt, false);
        CHECK(progress.failed());
    }
    SECTION("another host does not") {
        RunProgress progress{scenario, true, all_hosts(scenario)};
        progress.ended(kB, 3, false);
        CHECK_FALSE(progress.failed());
    }
}

TEST_CASE("without main hosts and duration a run is over when all hosts have ended") {
    const Scenario scenario = two_hosts();
    RunProgress progress{scenario, true, all_hosts(scenario)};
    static_cast<void>(progress.due(true));
    progress.started(kA);
    progress.ended(kA, 0, false);
    CHECK_FALSE(progress.over());
    progress.started(kB);
    progress.ended(kB, 1, false);
    CHECK(progress.over());
    CHECK_FALSE(progress.failed());
}

TEST_CASE("with a duration and no main host only the duration ends a run") {
    Scenario scenario = two_hosts();
    scenario.duration = std::chrono::seconds{5};
    RunProgress progress{scenario, true, all_hosts(scenario)};
    progress.ended(kA, 0, false);
    progress.ended(kB, 0, false);
    CHECK_FALSE(progress.over());
}

// ---- hosts of other machines

namespace {

constexpr HostStatus kStarted{HostStatus::State::started, false, 0};
constexpr HostStatus kReady{HostStatus::State::started, true, 0};
constexpr HostStatus kEnded{HostStatus::State::ended, true, 0};

}  // namespace

TEST_CASE("hosts of other machines are not ours to start, but are waited for") {
    Scenario scenario = two_hosts();
    scenario.applications[0].ready = ReadyWhenListening{5201};
    scenario.applications[1].after = {kA};
    RunProgress progress{scenario, true, {kB}};
    CHECK(progress.due(false).empty());
    CHECK_FALSE(progress.barrier_reached());
    progress.remote(kA, kStarted);
    CHECK_FALSE(progress.barrier_reached());
    CHECK(progress.due(true).empty());  // b waits for a
    progress.remote(kA, kReady);
    CHECK(progress.barrier_reached());
    CHECK(progress.due(true) == std::vector<HostId>{kB});
    CHECK(progress.ready_count() == 0);  // ours
}

TEST_CASE("a run is over when the main hosts of all machines have ended") {
    Scenario scenario = two_hosts();
    scenario.applications[0].main = scenario.applications[1].main = true;
    RunProgress progress{scenario, true, {kB}};
    progress.due(true);
    progress.started(kB);
    progress.ended(kB, 0, false);
    CHECK_FALSE(progress.over());
    progress.remote(kA, kStarted);
    CHECK_FALSE(progress.over());
    SECTION("as its machine tells") {
        progress.remote(kA, kEnded);
    }
    SECTION("or because the machine is given up, and when it is back all is as it tells") {
        progress.lost(kA);
        CHECK(progress.over());
        progress.remote(kA, kStarted);
        CHECK_FALSE(progress.over());
        progress.remote(kA, kEnded);
    }
    CHECK(progress.over());
    CHECK_FALSE(progress.failed());
}

TEST_CASE(
    "a host of another machine that an event will start is not over for us before it is there") {
    Scenario scenario = two_hosts();
    scenario.applications[0].main = true;
    scenario.timeline = {host_event(HostAction::Kind::start, kA)};
    RunProgress ours{scenario, true, {kB}};
    RunProgress theirs{scenario, true, {kA}};
    theirs.due(true);
    theirs.started(kA);
    theirs.ended(kA, 0, false);
    ours.remote(kA, theirs.status(kA));
    // Our clock is ahead: for us the event has been, for its machine it has not.
    ours.events_done(1);
    CHECK_FALSE(ours.over());
    theirs.events_done(1);
    theirs.started_by_event(kA);
    ours.remote(kA, theirs.status(kA));
    CHECK_FALSE(ours.over());
    theirs.started(kA);
    theirs.ended(kA, 0, false);
    ours.remote(kA, theirs.status(kA));
    CHECK(ours.over());
    CHECK(theirs.over());
}

TEST_CASE("a machine that is not heard is given up after 30 s, once, unless it is heard again") {
    using namespace std::chrono_literals;
    const Instant start{1h};
    MissedMachines missed;
    missed.missed("m1", start);
    missed.missed("m2", start + 5s);
    missed.missed("m1", start + 10s);  // still
    CHECK(missed.given_up(start + 30s - 1ns).empty());
    CHECK(missed.given_up(start + 30s) == std::vector<std::string>{"m1"});
    CHECK(missed.given_up(start + 31s).empty());
    missed.heard("m2");
    CHECK(missed.given_up(start + 1h).empty());
    missed.missed("m2", start + 1h);
    CHECK(missed.given_up(start + 1h + 29s).empty());
    CHECK(missed.given_up(start + 1h + 30s) == std::vector<std::string>{"m2"});
}
