#include <fstream>

#include "cli/log_file.hh"
#include "cli/run_place.hh"
#include "tests/cli/world.hh"

namespace pleat {
namespace {

namespace fs = std::filesystem;

TEST_CASE("two runs that draw the same name both get one") {
    const testing::TemporaryDirectory directory;
    const std::string parent = (directory.path() / "runs").string();
    // Names that no run of this machine has.
    std::uint32_t next = 0x7ffffff0U;
    const auto draw = [&next] { return next++ / 2; };
    RunPlace first = make_run_place(parent, draw);
    RunPlace second = make_run_place(parent, draw);
    CHECK(first.run != second.run);
    CHECK(first.directory == parent + "/" + first.run);
    CHECK(fs::is_directory(first.absolute_directory + "/logs"));
    CHECK(fs::is_directory(second.ledger.directory()));
    first.ledger.dissolve();
    second.ledger.dissolve();
    CHECK_FALSE(fs::exists(first.ledger.directory()));
    CHECK(fs::exists(first.directory));
}

TEST_CASE("a place that can't be made is told by its name") {
    CHECK_THROWS_WITH(make_run_place("/dev/null/runs", [] { return 1U; }),
                      Catch::Matchers::Contains("/dev/null/runs"));
}

TEST_CASE("the tail of a log is its last whole lines") {
    const testing::TemporaryDirectory directory;
    const std::string path = (directory.path() / "log").string();
    CHECK(log_tail(path).empty());
    std::ofstream{path} << "one\n\ntwo\nthree";
    CHECK(log_tail(path) == "  | one\n  | two\n  | three\n");
    CHECK(log_tail(path, 1) == "  | three\n");
    {
        std::ofstream file{path};
        for (int i = 0; i < 3000; ++i) file << "line " << i << "\n";
    }
    CHECK(log_tail(path, 2) == "  | line 2998\n  | line 2999\n");
    std::ofstream{path} << std::string(10'000, 'x');
    CHECK(log_tail(path).size() < 5'000);
}

}  // namespace
}  // namespace pleat
