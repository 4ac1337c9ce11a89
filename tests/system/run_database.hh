// What the `run.db` of a run says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/duration.hh"

namespace pleat::system_test {

// The first column, of numbers, of what this asks for.
std::vector<std::int64_t> numbers(const std::string& run_db, const std::string& question);

// How far machines were apart when they switched epochs: of each but the first, between the first
// and the last machine, in their own time since T0. Ascending.
std::vector<Duration> switch_skews(const std::string& run_db);

// What part of its rate a full link of a run on one machine let through between two times of the
// experiment, in s: less than 1 where its packet thread was held up, more where it made that good.
double made_of_rate(const std::string& run_db, double from, double to);

}  // namespace pleat::system_test
