// Vxlan: the way from this machine's underlay to those of the other machines of a run: two VXLAN
// devices (RFC 7348) in the underlay whose UDP sockets are the machine's.
//
// (1) The devices are made from the machine's namespace into the underlay: they are never seen in
//     the machine's own, and go with the underlay, however processes ended. `ip -n` of the underlay
//     shows them as pleat-vxlan and pleat-vxlan-in, with the run in their alias.
// (2) Nothing is flooded or learned: each other machine is one permanent entry of the device that
//     sends, by a link address made of its number. What has another destination is dropped.
// (3) Each machine has drawn its VNI and its port for this run; who sends to it must know both, and
//     have the address of a machine of the run. Packets are neither authenticated nor encrypted.
// (4) Hosts' interfaces have 1500 bytes wherever their peers are. Where the road between machines
//     carries less than vxlan_whole(), the kernel cuts what is too large in two: over IPv4. Over
//     IPv6 it drops it.
// (5) Only a device that says of each packet where it came from (external, "metadata mode") lets
//     (3) be checked, and only one that has its entries by itself can send to a port for each
//     machine. So one receives and one sends. What comes to the port of the latter, which nobody
//     is told, is dropped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/asio/ip/udp.hpp>

#include "base/file_descriptor.hh"
#include "node/keeper/interface.hh"

namespace pleat {

class Forwarding;

// What a full packet of a host is as an IP packet on the road: with Ethernet (14), VXLAN (8), UDP
// (8) and IP (20 or 40) around it.
constexpr std::uint32_t vxlan_whole(bool ipv6) {
    return 1500 + 14 + 8 + 8 + (ipv6 ? 40 : 20);
}

// Another machine.
struct VxlanPeer {
    std::uint16_t machine = 0;  // its number in the run
    std::string name;
    boost::asio::ip::udp::endpoint endpoint;
    std::uint32_t network = 0;  // the VNI that it has drawn
    std::vector<keeper::Interface> hosts;
};

struct VxlanSettings {
    std::string run;            // mark
    std::uint16_t machine = 0;  // ours
    // A UDP socket of the machine that keeps the device's address and port until it takes them.
    FileDescriptor reserved;
    std::uint32_t network = 0;  // the VNI that we have drawn
    std::vector<VxlanPeer> peers;
};

// What a VNI is drawn from: 24 bits, not zero.
std::uint32_t drawn_vxlan_network();

// Makes the device in the namespace `underlay` and leads packets for the peers' hosts there. To
// be called in the machine's namespace. Throws Failure.
void open_vxlan(VxlanSettings settings, int underlay, const Forwarding& forwarding);

// What this machine lacks for it; empty: it works. Found by doing it.
std::string missing_for_vxlan();

}  // namespace pleat
