// Segmentation: a GSO packet (one that stands for many segments, as the kernel hands it
// to a TUN device with offloads) and how to cut it without touching its payload: a slice
// is its own copy of the headers and a range of the shared payload.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "node/dataplane/ip_packet.hh"
#include "node/dataplane/virtio_header.hh"

namespace pleat {

struct Segmentation {
    bool v6 = false;
    bool tcp = false;                 // else UDP: each segment is a datagram
    std::uint16_t ip_bytes = 0;       // where the transport header begins
    std::uint16_t header_bytes = 0;   // IP and transport headers: in front of each segment
    std::uint16_t segment_bytes = 0;  // payload of each segment but the last
    std::uint16_t segments = 0;
    std::uint32_t payload_bytes = 0;
};

// A longer one is not to be expected: IPv6 with extension headers and all TCP options takes
// 40 + 8 n + 60 bytes.
constexpr std::size_t kLongestSlicedHeader = 256;

// How the packet divides; nothing when `header` contradicts it or is of a kind that we
// did not ask the kernel for. `header` says that it is a GSO packet.
std::optional<Segmentation> parse_segmentation(const VirtioHeader& header, const IpHeader& ip,
                                               std::span<const std::uint8_t> start);

struct Slice {
    VirtioHeader header{};
    std::array<std::uint8_t, kLongestSlicedHeader> headers{};
    std::uint32_t payload_begin = 0;  // in the packet's payload
    std::uint32_t payload_bytes = 0;
};

// The segments [first, first + count) of the packet with these headers: what software
// segmentation would have made of them, but for checksums over the payload, which are left
// to the receiver (as in the packet itself) and the segments that stay together.
Slice cut_slice(const VirtioHeader& header, std::span<const std::uint8_t> headers,
                const Segmentation& segmentation, std::uint16_t first, std::uint16_t count);

// Does what NEEDS_CSUM asks for: completes the checksum of a whole packet. False when it
// asks for something outside the packet.
bool complete_checksum(const VirtioHeader& header, std::span<std::uint8_t> packet);

}  // namespace pleat
