#include "tests/system/switch_skews.hh"

#include <algorithm>

#include <catch2/catch.hpp>
#include <sqlite3.h>

namespace pleat::system_test {

std::vector<Duration> switch_skews(const std::string& run_db) {
    sqlite3* database = nullptr;
    REQUIRE(::sqlite3_open_v2(run_db.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr) ==
            SQLITE_OK);
    std::vector<Duration> result;
    const auto keep = [](void* into, int, char** column, char**) {
        static_cast<std::vector<Duration>*>(into)->emplace_back(std::stoll(column[0]));
        return 0;
    };
    const char* const question =
        "SELECT max(actual_ns) - min(actual_ns) FROM event WHERE epoch > 0 GROUP BY epoch";
    CHECK(::sqlite3_exec(database, question, keep, &result, nullptr) == SQLITE_OK);
    ::sqlite3_close(database);
    std::ranges::sort(result);
    return result;
}

}  // namespace pleat::system_test
