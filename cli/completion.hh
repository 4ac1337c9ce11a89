// Completion of `pleat` in an interactive shell, made from the table of verbs and the
// grammar of the command line.
#pragma once

#include <span>
#include <string>

#include "cli/arguments.hh"

namespace pleat {

// A script for bash to source.
std::string bash_completion(std::span<const VerbWords> verbs);

}  // namespace pleat
