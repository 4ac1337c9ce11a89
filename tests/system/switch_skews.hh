// How far machines of a run were apart when they switched epochs.
#pragma once

#include <string>
#include <vector>

#include "base/duration.hh"

namespace pleat::system_test {

// From its `run.db`, of each epoch but the first: between the first and the last machine that
// switched, in their own time since T0. Ascending.
std::vector<Duration> switch_skews(const std::string& run_db);

}  // namespace pleat::system_test
