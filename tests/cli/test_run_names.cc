// Which run a verb means.
#include <catch2/catch.hpp>

#include "cli/run_names.hh"

namespace pleat {
namespace {

using Catch::Matchers::Contains;

const std::vector<std::string> all_runs{"r-1f2e", "r-1f33", "r-9a"};

}  // namespace

TEST_CASE("a run is named by id, a prefix that no other has, or as the latest") {
    CHECK(choose_run(all_runs, "r-9a") == "r-9a");
    CHECK(choose_run(all_runs, "r-9") == "r-9a");
    CHECK(choose_run(all_runs, "r-1f2") == "r-1f2e");
    CHECK(choose_run(all_runs, "@") == "r-9a");
    CHECK(choose_run({"r-9a"}, "") == "r-9a");
    // A name that is the beginning of another's.
    CHECK(choose_run({"r-1", "r-12"}, "r-1") == "r-1");
}

TEST_CASE("runs are counted back from the latest") {
    CHECK(choose_run(all_runs, "@~0") == "r-9a");
    CHECK(choose_run(all_runs, "@~") == "r-1f33");
    CHECK(choose_run(all_runs, "@~1") == "r-1f33");
    CHECK(choose_run(all_runs, "@~2") == "r-1f2e");
    const auto too_far = choose_run(all_runs, "@~3");
    REQUIRE_FALSE(too_far);
    CHECK(too_far.error().code == ExitCode::not_found);
    CHECK(too_far.error().message == "there is no run @~3: there are only 3");
    CHECK(choose_run({"r-1"}, "@~1", " under way").error().message ==
          "there is no run @~1 under way: there is only 1");
    for (const std::string wrong : {"@1", "@~x", "@~-1", "@~1x", "@~99999999999999999999999"}) {
        const auto refused = choose_run(all_runs, wrong);
        REQUIRE_FALSE(refused);
        INFO(refused.error().message);
        CHECK(refused.error().code == ExitCode::usage);
        CHECK_THAT(refused.error().message, Contains("@~1 (the one before)"));
    }
}

TEST_CASE("of many runs the latest are listed, and how many more there are") {
    std::vector<std::string> names;
    for (int i = 10; i < 40; ++i) names.push_back("r-" + std::to_string(i));
    const std::string text = choose_run(names, "r-9").error().message;
    CHECK(text ==
          "there is no run r-9; there are r-32, r-33, r-34, r-35, r-36, r-37, r-38, r-39 "
          "(22 older ones not listed)");
}

TEST_CASE("what names no run, or several, is refused with what there is") {
    const auto several = choose_run(all_runs, "");
    REQUIRE_FALSE(several);
    CHECK(several.error().code == ExitCode::usage);
    CHECK_THAT(several.error().message, Contains("r-1f2e, r-1f33, r-9a"));
    const auto ambiguous = choose_run(all_runs, "r-1");
    REQUIRE_FALSE(ambiguous);
    CHECK(ambiguous.error().code == ExitCode::usage);
    CHECK_THAT(ambiguous.error().message, Contains("r-1f2e or r-1f33"));
    const auto unknown = choose_run(all_runs, "r-7", " under way");
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ExitCode::not_found);
    CHECK_THAT(unknown.error().message, Contains("there is no run r-7 under way"));
    CHECK(choose_run({}, "").error().code == ExitCode::not_found);
}

}  // namespace pleat
