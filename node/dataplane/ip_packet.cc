#include "node/dataplane/ip_packet.hh"

#include <algorithm>

#include "node/dataplane/checksum.hh"

namespace pleat {

namespace {

constexpr std::size_t kShortest4 = 20;
constexpr std::size_t kHeader6 = 40;

std::optional<IpHeader> parse_ipv4(std::span<const std::uint8_t> start, std::size_t length) {
    if (start.size() < kShortest4) return std::nullopt;
    const std::size_t header = std::size_t{start[0] & 0x0fU} * 4;
    const std::size_t total = load16(&start[2]);
    if (header < kShortest4 || start.size() < header || total < header || total != length) {
        return std::nullopt;
    }
    return IpHeader{.v6 = false,
                    .protocol = start[9],
                    .bytes = static_cast<std::uint32_t>(header),
                    .packet_bytes = static_cast<std::uint32_t>(length),
                    .destination4 = load32(&start[16])};
}

std::optional<IpHeader> parse_ipv6(std::span<const std::uint8_t> start, std::size_t length) {
    if (start.size() < kHeader6) return std::nullopt;
    if (kHeader6 + load16(&start[4]) != length) return std::nullopt;
    IpHeader header{.v6 = true,
                    .protocol = start[6],
                    .bytes = kHeader6,
                    .packet_bytes = static_cast<std::uint32_t>(length)};
    std::copy_n(&start[24], header.destination6.size(), header.destination6.begin());
    return header;
}

}  // namespace

std::optional<IpHeader> parse_ip(std::span<const std::uint8_t> start, std::size_t length) {
    if (start.empty()) return std::nullopt;
    switch (start[0] >> 4U) {
        case 4:
            return parse_ipv4(start, length);
        case 6:
            return parse_ipv6(start, length);
        default:
            return std::nullopt;
    }
}

std::optional<HostId> destination_host(const IpHeader& header, const AddressPlan& addresses,
                                       std::size_t hosts) {
    // The last 32 bits of an IPv6 address of ours are the number that an IPv4 address adds
    // to its base.
    const std::uint32_t number =
        header.v6 ? load32(&header.destination6[12]) : header.destination4 - addresses.base;
    if (number == 0 || number > hosts) return std::nullopt;
    const HostId host{number - 1};
    if (header.v6 && addresses.ipv6(host) != header.destination6) return std::nullopt;
    return host;
}

bool leads_outside(const IpHeader& header, const AddressPlan& addresses) {
    constexpr std::uint32_t kFirstMulticast = 0xe0000000;
    if (header.v6 || header.destination4 >= kFirstMulticast) return false;
    const int host_bits = 32 - addresses.prefix_length;
    // As 64 bits, since a range may be the whole of IPv4.
    const auto network = [host_bits](std::uint32_t address) {
        return std::uint64_t{address} >> static_cast<unsigned>(host_bits);
    };
    return network(header.destination4) != network(addresses.base);
}

}  // namespace pleat
