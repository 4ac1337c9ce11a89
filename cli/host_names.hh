// Names of hosts as users write them on a command line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/topology.hh"

namespace pleat {

// "client[2]" is one host; "client" and "client[*]" are all replicas; "" is every host.
// Ascending; empty when there is no such host.
std::vector<HostId> hosts_named(const Topology& topology, std::string_view name);

// Why hosts_named() found nothing: "no host 'clinet'; did you mean 'client'?".
std::string no_such_host(const Topology& topology, std::string_view name);

}  // namespace pleat
