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

}  // namespace pleat::system_test
