// What runs on each host: the drafts of a host and of its replica, made one Application.
#pragma once

#include <vector>

#include "readers/scenario_draft.hh"
#include "readers/selector.hh"

namespace pleat {

// By HostId. Reports what is wrong.
std::vector<Application> make_applications(const ScenarioDraft& draft, Selector& names,
                                           Report& report);

}  // namespace pleat
