// Reading of topology files for the verbs, with what the command line adds to them.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "cli/arguments.hh"
#include "cli/output.hh"
#include "readers/read_scenario.hh"

namespace pleat {

ReadOptions read_options(const TopologyArguments& arguments);

std::map<std::string, std::string> variables_of(const Variables& variables);

// Shows all problems. Nothing when one of them is an error.
std::optional<Scenario> shown(ReadOutcome outcome, Output& output);

std::optional<Scenario> load_topology(const TopologyArguments& arguments, Output& output);

}  // namespace pleat
