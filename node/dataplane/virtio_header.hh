// VirtioHeader: what the kernel says about a packet of a TUN device with IFF_VNET_HDR, in
// front of it. (linux/virtio_net.h is not C++: it has a member named `class`.)
#pragma once

#include <cstdint>

namespace pleat {

// struct virtio_net_hdr; numbers are in host byte order.
struct VirtioHeader {
    static constexpr std::uint8_t kNeedsChecksum = 1;  // flags

    static constexpr std::uint8_t kNotGso = 0;  // gso_type
    static constexpr std::uint8_t kGsoTcp4 = 1;
    static constexpr std::uint8_t kGsoTcp6 = 4;
    static constexpr std::uint8_t kGsoUdp = 5;     // each segment is a datagram
    static constexpr std::uint8_t kGsoEcn = 0x80;  // a bit: the first segment has CWR

    std::uint8_t flags = 0;
    std::uint8_t gso_type = 0;
    std::uint16_t hdr_len = 0;
    std::uint16_t gso_size = 0;
    std::uint16_t csum_start = 0;   // from here on the checksum is to be computed,
    std::uint16_t csum_offset = 0;  // and stored this far behind
};

static_assert(sizeof(VirtioHeader) == 10);

}  // namespace pleat
