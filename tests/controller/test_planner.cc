// What is planned, and what is refused.
#include <catch2/catch.hpp>

#include "controller/planner.hh"
#include "tests/controller/plans.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;
using Catch::Contains;

TEST_CASE("a plan has an epoch for each instant at which the topology changes") {
    const RunPlan plan = dumbbell_plan("r-1", "/tmp/r-1");
    CHECK(plan.epochs.epochs.size() == 3);
    const Submitted told = summary(plan, 5ms);
    CHECK(told.run == "r-1");
    CHECK(told.hosts == 2);
    CHECK(told.bridges == 2);
    CHECK(told.links == 6);
    CHECK(told.epochs == 3);
    CHECK(told.paths == 2);
}

TEST_CASE("the first push has the base, every host, and all epochs' starts and events") {
    const RunPlan plan = dumbbell_plan("r-1", "/tmp/r-1");
    const PrepareRun push = first_push(plan, plan.parts.front(), {});
    CHECK(push.local_hosts == std::vector<HostId>{HostId{0}, HostId{1}});
    CHECK(push.base.hash() == plan.epochs.base.hash());
    CHECK(push.epoch_starts ==
          std::vector<ExperimentTime>{ExperimentTime{0s}, ExperimentTime{1s}, ExperimentTime{2s}});
    CHECK(push.epoch_events ==
          std::vector<std::vector<std::string>>{{}, {"set s1->s2 10Mbps"}, {"down s1->s2"}});
}

TEST_CASE("hashes are those of the tables that the deltas lead to") {
    const RunPlan plan = dumbbell_plan("r-1", "/tmp/r-1");
    const std::vector<PathTable> all = tables(plan.epochs);
    const std::vector<std::uint64_t> hashes = table_hashes(plan.epochs);
    REQUIRE(hashes.size() == all.size());
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(hashes[i] == all[i].hash());
}

TEST_CASE("what this build can't do is refused by name") {
    Submit submit = dumbbell_submit("r-1", "/tmp/r-1");
    submit.scenario.not_yet = {"corrupt= of link s1--s2"};
    submit.scenario.applications[1].not_yet = {"image:"};
    const auto plan = plan_run_on("local", submit);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().message ==
          "this build can't do yet: corrupt= of link s1--s2, image: of host b");
}

TEST_CASE("attached machines are placed on themselves, and must all be there") {
    Submit submit = dumbbell_submit("r-1", "/tmp/r-1");
    submit.scenario.applications[0].attached =
        AttachedMachine{.machine = "m2", .ipv4 = 0x0a000005, .stop = {}};
    const auto mixed = plan_run(submit, {"m2", "m2"});
    REQUIRE_FALSE(mixed);
    CHECK_THAT(mixed.error().message, Contains("host b is not attached"));
    submit.scenario.applications[1].attached =
        AttachedMachine{.machine = "m1", .ipv4 = 0x0a000006, .stop = {}};
    const std::vector<Machine> machines{{.name = "m1"}, {.name = "m2"}};
    const auto placement = placement_of(submit.scenario, machines);
    REQUIRE(placement);
    CHECK(*placement == std::vector<std::string>{"m2", "m1"});
    CHECK(plan_run(submit, *placement));
    CHECK_FALSE(placement_of(submit.scenario, {{.name = "m1"}}));
    const auto local = plan_run_on("local", submit);
    REQUIRE_FALSE(local);
    CHECK_THAT(local.error().message, Contains("which this controller does not have"));
}

TEST_CASE("a run without name, directory or host is refused") {
    CHECK_FALSE(plan_run_on("local", dumbbell_submit("", "/tmp/r-1")));
    CHECK_FALSE(plan_run_on("local", dumbbell_submit("r-1", "relative")));
    Submit empty = dumbbell_submit("r-1", "/tmp/r-1");
    empty.scenario = Scenario{};
    CHECK_FALSE(plan_run_on("local", empty));
}

TEST_CASE("each host is in the part of its machine, and parts are in order") {
    const RunPlan plan =
        plan_run(dumbbell_submit("r-1", "/tmp/r-1"), std::vector<std::string>{"m2", "m1"}).value();
    REQUIRE(plan.parts.size() == 2);
    CHECK(plan.parts[0] == MachinePart{"m1", {HostId{1}}});
    CHECK(plan.parts[1] == MachinePart{"m2", {HostId{0}}});
    CHECK(first_push(plan, plan.parts[1], {}).local_hosts == std::vector<HostId>{HostId{0}});
    CHECK(parts_of({"m1", "m1"}).size() == 1);
}

TEST_CASE("hosts are where `place:` wants them, and else where their heavy links are") {
    Scenario six;
    six.topology = topology({"a -- s1: 1ms 1Gbps", "b -- s1: 1ms 1Gbps", "c -- s1: 1ms 1Gbps",
                             "s1 -- s2: 1ms 10Mbps", "d -- s2: 1ms 1Gbps", "e -- s2: 1ms 1Gbps",
                             "f -- s2: 1ms 1Gbps"});
    six.applications.resize(6);
    const std::vector<Machine> two{{.name = "m1"}, {.name = "m2"}};
    // Those of one bridge together, whatever their names.
    CHECK(placement_of(six, two) == std::vector<std::string>{"m1", "m1", "m1", "m2", "m2", "m2"});
    six.applications[0].place = PlaceOnMachine{"m2"};
    six.applications[5].place = PlaceByLabel{"fast"};
    const std::vector<Machine> labelled{{.name = "m1", .labels = {"fast"}}, {.name = "m2"}};
    const auto placed = placement_of(six, labelled);
    REQUIRE(placed);
    CHECK(placed->at(0) == "m2");
    CHECK(placed->at(5) == "m1");
    // In proportion to the processors.
    six.applications.assign(6, {});
    CHECK(
        parts_of(*placement_of(six, {{.name = "m1", .capacity = 1}, {.name = "m2", .capacity = 5}}))
            .front()
            .hosts.size() == 1);
    six.applications[5].place = PlaceByLabel{"slow"};
    const auto refused = placement_of(six, labelled);
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Contains("slow") && Contains("f"));
}
