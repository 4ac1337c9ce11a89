// Which run a verb means that changes one: of a named controller, or, without one, of those that
// `pleat run` has under way for this user.
#pragma once

#include <string>

#include "cli/controller_link.hh"

namespace pleat {

struct RunningRun {
    ControllerPlace place;
    std::string run;
};

// `wanted`: as in cli/run_names.hh, among those under way; empty: the only one.
tl::expected<RunningRun, LinkFailure> find_running_run(const std::string& controller,
                                                       const std::string& wanted);

}  // namespace pleat
