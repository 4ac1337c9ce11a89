// Room: which machines take the hosts of a run, among those that are connected.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "controller/members.hh"
#include "controller/network_check.hh"
#include "controller/node_registry.hh"
#include "model/scenario.hh"

namespace pleat {

// The machine of each host, by HostId. `spoken_for`: how many hosts of runs under way are on a
// machine. A controller without members is that of `pleat run`: all is on its own machine, which
// may be on its way, and `place:` has no effect. `ways`: the network between machines, as far as
// it is known. Fails with what there is and what is missing.
Result<std::vector<std::string>> find_room(
    const Scenario& scenario, const NodeRegistry& nodes, const Members& members,
    const std::function<std::uint32_t(const std::string& machine)>& spoken_for,
    const WaysByMachines& ways);

}  // namespace pleat
