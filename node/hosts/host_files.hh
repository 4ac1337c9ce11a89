// The texts of /etc/hosts, resolv.conf and gai.conf that every host of a run sees.
#pragma once

#include <optional>
#include <string>

#include "model/addressing.hh"
#include "model/topology.hh"

namespace pleat {

// `server` is all replicas, `server-0` is server[0].
std::string hosts_file(const Topology& topology, const AddressPlan& addresses);

// Without a server names outside of /etc/hosts fail at once.
std::string resolver_file(const std::optional<std::string>& name_server);

// IPv4 before IPv6, as for most libraries: glibc's own table would have it otherwise.
std::string address_preference_file();

// What the host itself is called: "client-0". At most 63 characters.
std::string host_name_of(const Host& host);

}  // namespace pleat
