// Which run is meant: the one place where the names of the manual are read.
//
//     r-1f2e3d4c   that one         @      the latest
//     r-1f         the only one     @~2    the second before the latest
//                  that begins so
#pragma once

#include <string>
#include <vector>

#include "cli/controller_link.hh"

namespace pleat {

// The one of `names` (oldest first) that is meant; empty: the only one. `of` says in errors which
// these are: " under way".
tl::expected<std::string, LinkFailure> choose_run(const std::vector<std::string>& names,
                                                  const std::string& wanted,
                                                  const std::string& of = {});

// The same, of all runs that the controller knows; empty: the latest.
tl::expected<RunInfo, LinkFailure> find_run(ControllerLink& link, const std::string& wanted);

}  // namespace pleat
