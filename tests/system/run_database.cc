#include "tests/system/run_database.hh"

#include <algorithm>

#include <catch2/catch.hpp>
#include <sqlite3.h>

namespace pleat::system_test {

std::vector<std::int64_t> numbers(const std::string& run_db, const std::string& question) {
    sqlite3* database = nullptr;
    REQUIRE(::sqlite3_open_v2(run_db.c_str(), &database, SQLITE_OPEN_READWRITE, nullptr) ==
            SQLITE_OK);
    std::vector<std::int64_t> result;
    const auto keep = [](void* into, int, char** column, char**) {
        static_cast<std::vector<std::int64_t>*>(into)->push_back(
            column[0] == nullptr ? 0 : std::stoll(column[0]));
        return 0;
    };
    CHECK(::sqlite3_exec(database, question.c_str(), keep, &result, nullptr) == SQLITE_OK);
    ::sqlite3_close(database);
    return result;
}

std::vector<Duration> switch_skews(const std::string& run_db) {
    std::vector<Duration> result;
    for (const std::int64_t skew :
         numbers(run_db,
                 "SELECT max(actual_ns) - min(actual_ns) FROM event WHERE epoch > 0 GROUP BY "
                 "epoch")) {
        result.emplace_back(skew);
    }
    std::ranges::sort(result);
    return result;
}

}  // namespace pleat::system_test
