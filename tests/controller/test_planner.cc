// What is planned, and what is refused.
#include <catch2/catch.hpp>

#include "controller/planner.hh"
#include "tests/controller/plans.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

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
    const PrepareRun push = first_push(plan);
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
    const auto plan = plan_run(submit);
    REQUIRE_FALSE(plan);
    CHECK(plan.error().message ==
          "this build can't do yet: corrupt= of link s1--s2, image: of host b");
}

TEST_CASE("a run without name, directory or host is refused") {
    CHECK_FALSE(plan_run(dumbbell_submit("", "/tmp/r-1")));
    CHECK_FALSE(plan_run(dumbbell_submit("r-1", "relative")));
    Submit empty = dumbbell_submit("r-1", "/tmp/r-1");
    empty.scenario = Scenario{};
    CHECK_FALSE(plan_run(empty));
}
