// How a machine becomes a member of a controller's cluster, and remembers it.
#pragma once

#include <string>

#include "base/result.hh"
#include "node/node_run.hh"

namespace pleat {

// Where a node's membership is kept.
std::string membership_file(const std::string& state_directory);

// Joins with the string, unless this state directory is a member of that controller already
// (so that a unit may give the same string at each start). With an empty string: as it was
// before. Fills in what follows from it. Fails with what the user should do.
Result<void> become_member(NodeOptions& options, const std::string& join);

// The address of this machine by which it reaches that endpoint: the one to advertise.
Result<std::string> own_address_towards(const std::string& endpoint);

}  // namespace pleat
