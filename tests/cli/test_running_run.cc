// Which run a verb means.
#include <catch2/catch.hpp>

#include "cli/running_run.hh"

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

TEST_CASE("what names no run, or several, is refused with what there is") {
    const auto several = choose_run(all_runs, "");
    REQUIRE_FALSE(several);
    CHECK(several.error().code == ExitCode::usage);
    CHECK_THAT(several.error().message, Contains("r-1f2e, r-1f33, r-9a"));
    const auto ambiguous = choose_run(all_runs, "r-1");
    REQUIRE_FALSE(ambiguous);
    CHECK(ambiguous.error().code == ExitCode::usage);
    CHECK_THAT(ambiguous.error().message, Contains("r-1f2e or r-1f33"));
    const auto unknown = choose_run(all_runs, "r-7");
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ExitCode::not_found);
    CHECK_THAT(unknown.error().message, Contains("there is no run r-7 under way"));
    CHECK(choose_run({}, "").error().code == ExitCode::not_found);
}

}  // namespace pleat
