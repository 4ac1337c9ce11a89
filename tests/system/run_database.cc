#include "tests/system/run_database.hh"

#include <algorithm>
#include <cmath>

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

double made_of_rate(const std::string& run_db, double from, double to) {
    const auto owed = [&run_db](double at) {
        const std::vector<std::int64_t> found = numbers(
            run_db, "SELECT owed_ns FROM lateness WHERE at_ns <= " +
                        std::to_string(std::llround(at * 1e9)) + " ORDER BY at_ns DESC LIMIT 1");
        return found.empty() ? 0.0 : static_cast<double>(found.front()) / 1e9;
    };
    return 1 - (owed(to) - owed(from)) / (to - from);
}

}  // namespace pleat::system_test
