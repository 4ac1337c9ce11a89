// What of a topology this version can't run. It is refused by name: ignoring it would
// give results of another network than the one that was asked for. (What only some data
// planes can do: model/plane_choice.hh.)
#pragma once

#include <string>
#include <vector>

#include "model/scenario.hh"

namespace pleat {

// A sentence each; empty when all of it can be run. Without applications, what only they
// need does not matter.
std::vector<std::string> not_yet(const Scenario& scenario, bool with_applications);

}  // namespace pleat
