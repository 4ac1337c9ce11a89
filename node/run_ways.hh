// RunWays: the ends that a run has on this machine, for what hosts of other machines send to its
// hosts: bound when the controller asks, before anybody knows which data plane the run will have.
// The tunnel is that of the tun plane; it also measures the way for kernel planes, whose packets
// go by VXLAN (node/underlay/vxlan.hh).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file_descriptor.hh"
#include "model/addressing.hh"
#include "node/run_tunnel.hh"
#include "node/underlay/vxlan.hh"
#include "wire/messages.hh"

namespace pleat {

struct RunWays {
    FileDescriptor tunnel;  // closed: there is none
    FileDescriptor vxlan;   // keeps its address and port; closed: this machine has none
    std::uint32_t vxlan_network = 0;

    // What the controller is told.
    WayOpened told() const;
};

// Throws Failure when no port is free. `with_vxlan`: this machine can have a kernel plane that
// reaches other machines. Not over IPv6 where the address's interface is too narrow.
RunWays open_run_ways(const std::string& address, PortRange ports, bool with_vxlan);

// Nothing when this machine has no VXLAN. Throws Failure when a peer has none.
std::optional<VxlanSettings> vxlan_settings(const std::string& run, const std::string& node,
                                            const std::vector<Peer>& peers,
                                            const Scenario& scenario, const AddressPlan& addresses,
                                            RunWays ways);

// What a user should know of the ways of a kernel plane before trusting it: one machine of the run,
// the first by name, says it for all. `peers` are of the plane.
std::vector<std::string> vxlan_warnings(const std::string& node, const std::vector<Peer>& peers,
                                        const std::vector<TunnelPeerState>& states);

}  // namespace pleat
