// Addresses of hosts: host i in name order has the range's base + i + 1 in IPv4, and
// fd00::/8 + run + i + 1 in IPv6. Attached machines have their own in IPv4, and none in IPv6.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hh"
#include "model/ids.hh"

namespace pleat {

struct AddressPlan {
    std::uint32_t base = 0x0a000000;  // host byte order
    int prefix_length = 8;
    std::array<std::uint8_t, 6> run{0xfd, 0, 0, 0, 0, 1};  // the fd…::/48 of the run

    std::vector<std::uint32_t> own{};  // by HostId, of attached machines; else empty

    std::uint32_t ipv4(HostId host) const {
        return own.empty() ? base + host.value + 1 : own[host.value];
    }

    std::array<std::uint8_t, 16> ipv6(HostId host) const;
};

// "10.0.0.0/8"; fails on other forms and when `hosts` do not fit in.
Result<AddressPlan> parse_address_plan(std::string_view text, std::size_t hosts);

std::string ipv4_text(std::uint32_t address);  // host byte order in, "10.0.0.4" out

// The reverse, of an address that a host can have.
Result<std::uint32_t> parse_ipv4(std::string_view text);
std::string ipv6_text(const std::array<std::uint8_t, 16>& address);

}  // namespace pleat
