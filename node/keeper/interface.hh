// The host's emulated interface, `pleat0`: its addresses and routes are the same whatever
// is behind it: a TUN device, or one end of a veth pair whose other end is in the underlay
// (node/underlay/underlay.hh). One netlink message to the kernel for each namespace.
#pragma once

#include <array>
#include <cstdint>

#include "base/file_descriptor.hh"

namespace pleat::keeper {

constexpr const char* kInterface = "pleat0";

struct Interface {
    std::uint32_t host = 0;  // its number in the run
    std::uint32_t ipv4 = 0;  // host byte order
    std::uint8_t ipv4_prefix = 8;
    std::array<std::uint8_t, 16> ipv6{};
    std::uint8_t ipv6_prefix = 48;
    bool default_route = false;  // everything else is on the link, too
    bool outside = false;        // the underlay brings it what is no host's
};

// The other end of a veth pair: its index in the underlay, and the link address of both ends.
std::uint32_t port_index(std::uint32_t host);
std::array<std::uint8_t, 6> link_address(std::uint32_t host);

// Both make it in the present network namespace and bring it and `lo` up. Throw.
FileDescriptor make_tun_interface(const Interface& interface);
// `underlay` is the namespace of the other end, `underlay_routes` a socket in it.
void make_underlay_interface(const Interface& interface, int underlay, int underlay_routes);

}  // namespace pleat::keeper
