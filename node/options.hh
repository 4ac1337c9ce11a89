// The command line of pleat-node.
#pragma once

#include <optional>

#include "node/join.hh"

namespace pleat {

// Nothing when there is no more to do (--help, --version) or the line is wrong; then
// `exit_code` says which.
std::optional<NodeOptions> parse_node_options(int argc, char** argv, int& exit_code);

}  // namespace pleat
