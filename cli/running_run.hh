// Which run a verb means that changes one: of a named controller, or, without one, of those that
// `pleat run` has under way for this user.
#pragma once

#include <string>
#include <vector>

#include "cli/controller_link.hh"

namespace pleat {

struct RunningRun {
    ControllerPlace place;
    std::string run;
};

// `wanted`: an id, a prefix of just one, "@" (the latest), or empty: the only one. Fails with what
// there is instead.
tl::expected<RunningRun, LinkFailure> find_running_run(const std::string& controller,
                                                       const std::string& wanted);

// The one of `names` (oldest first) that is meant.
tl::expected<std::string, LinkFailure> choose_run(const std::vector<std::string>& names,
                                                  const std::string& wanted);

}  // namespace pleat
