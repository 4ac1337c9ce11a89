// IpHeader: what must be known of an IP packet to pass it on: who shall get it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "model/addressing.hh"

namespace pleat {

struct IpHeader {
    bool v6 = false;
    std::uint8_t protocol = 0;  // IPv6: the first next header
    std::uint32_t bytes = 0;    // of this header: with options, without extension headers
    std::uint32_t packet_bytes = 0;
    std::uint32_t destination4 = 0;               // host byte order
    std::array<std::uint8_t, 16> destination6{};  // network byte order
};

// `start` holds at least the packet's first 60 bytes, or all of it; `length` is that of
// the whole packet. Nothing when it is not IP, cut off, or contradicts itself.
std::optional<IpHeader> parse_ip(std::span<const std::uint8_t> start, std::size_t length);

// Which host has the destination's address, by arithmetic; nothing for unknown ones,
// broadcast and multicast.
std::optional<HostId> destination_host(const IpHeader& header, const AddressPlan& addresses,
                                       std::size_t hosts);

// Whether this is for the outside host, if there is one: a single IPv4 address that is not
// of the run's range.
bool leads_outside(const IpHeader& header, const AddressPlan& addresses);

}  // namespace pleat
