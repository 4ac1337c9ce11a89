// Near hosts: which of a topology's hosts are so near each other that they belong on one machine,
// since the network between machines is slower than the paths between them.
#pragma once

#include <span>
#include <vector>

#include "model/topology.hh"
#include "model/underlay.hh"

namespace pleat {

// Groups of two hosts and more: two are in one group when a path of less than `latency` leads
// from one to the other, or a chain of such paths does. The largest first, then the one of the
// lowest host; ascending in themselves. Links that are down at T0 count: they may come up. Hosts
// do not forward.
std::vector<std::vector<HostId>> near_hosts(const Topology& topology, Duration latency);

// How many ordered pairs of hosts are nearer than the network between their machines (as
// near_hosts() counts, so with `routing: hops` it may be more than there are). 0 where it is not
// known.
std::size_t paths_below_real(const Topology& topology, const Placement& placement,
                             std::span<const UnderlayLink> underlay);

}  // namespace pleat
