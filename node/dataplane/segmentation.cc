#include "node/dataplane/segmentation.hh"

#include <algorithm>

#include <netinet/in.h>

#include "base/error.hh"
#include "node/dataplane/checksum.hh"

namespace pleat {

namespace {

constexpr std::uint8_t kGsoKind = 0x7f;  // without kGsoEcn

constexpr std::uint32_t kTcpShortest = 20;
constexpr std::uint32_t kTcpChecksum = 16;
constexpr std::uint32_t kUdpHeader = 8;
constexpr std::uint32_t kUdpChecksum = 6;

constexpr std::uint8_t kFin = 0x01;
constexpr std::uint8_t kPush = 0x08;
constexpr std::uint8_t kWindowReduced = 0x80;  // CWR

std::uint64_t pseudo_header_sum(std::span<const std::uint8_t> headers, const Segmentation& parts,
                                std::uint32_t transport_bytes) {
    const std::uint64_t addresses =
        parts.v6 ? word_sum(headers.subspan(8, 32)) : word_sum(headers.subspan(12, 8));
    return addresses + (parts.tcp ? IPPROTO_TCP : IPPROTO_UDP) + transport_bytes;
}

void fix_ip(std::span<std::uint8_t> headers, const Segmentation& parts, std::uint16_t first,
            std::uint32_t packet_bytes) {
    if (parts.v6) {
        store16(&headers[4], packet_bytes - 40);
        return;
    }
    store16(&headers[2], packet_bytes);
    store16(&headers[4], std::uint32_t{load16(&headers[4])} + first);
    store16(&headers[10], 0);
    const std::size_t length = std::size_t{headers[0] & 0x0fU} * 4;
    store16(&headers[10], static_cast<std::uint16_t>(~fold(word_sum(headers.first(length)))));
}

}  // namespace

std::optional<Segmentation> parse_segmentation(const VirtioHeader& header, const IpHeader& ip,
                                               std::span<const std::uint8_t> start) {
    const std::uint8_t kind = header.gso_type & kGsoKind;
    const bool tcp = kind == VirtioHeader::kGsoTcp4 || kind == VirtioHeader::kGsoTcp6;
    if (!tcp && kind != VirtioHeader::kGsoUdp) return std::nullopt;
    if (tcp && (kind == VirtioHeader::kGsoTcp6) != ip.v6) return std::nullopt;
    if ((header.flags & VirtioHeader::kNeedsChecksum) == 0 || header.gso_size == 0) {
        return std::nullopt;
    }
    // The checksum starts with the transport header: IPv6 extension headers are skipped.
    const std::uint32_t transport = header.csum_start;
    if (transport < ip.bytes || (!ip.v6 && transport != ip.bytes)) return std::nullopt;
    if (header.csum_offset != (tcp ? kTcpChecksum : kUdpChecksum)) return std::nullopt;
    const std::uint32_t shortest = tcp ? kTcpShortest : kUdpHeader;
    if (start.size() < transport + shortest) return std::nullopt;
    const std::uint32_t transport_bytes =
        tcp ? (std::uint32_t{start[transport + 12]} >> 4U) * 4 : kUdpHeader;
    const std::uint32_t headers = transport + transport_bytes;
    if (transport_bytes < shortest || headers > kLongestSlicedHeader || headers > start.size() ||
        headers >= ip.packet_bytes) {
        return std::nullopt;
    }
    const std::uint32_t payload = ip.packet_bytes - headers;
    const std::uint32_t size = header.gso_size;
    return Segmentation{.v6 = ip.v6,
                        .tcp = tcp,
                        .ip_bytes = static_cast<std::uint16_t>(transport),
                        .header_bytes = static_cast<std::uint16_t>(headers),
                        .segment_bytes = header.gso_size,
                        .segments = static_cast<std::uint16_t>((payload + size - 1) / size),
                        .payload_bytes = payload};
}

Slice cut_slice(const VirtioHeader& header, std::span<const std::uint8_t> headers,
                const Segmentation& segmentation, std::uint16_t first, std::uint16_t count) {
    const bool last = first + count == segmentation.segments;
    PLEAT_ASSERT(count > 0 && first + count <= segmentation.segments);
    PLEAT_ASSERT(headers.size() >= segmentation.header_bytes);
    Slice slice{.header = header};
    slice.payload_begin = std::uint32_t{first} * segmentation.segment_bytes;
    slice.payload_bytes = std::min<std::uint32_t>(std::uint32_t{count} * segmentation.segment_bytes,
                                                  segmentation.payload_bytes - slice.payload_begin);
    const std::span<std::uint8_t> out = std::span{slice.headers}.first(segmentation.header_bytes);
    std::copy_n(headers.begin(), out.size(), out.begin());

    const std::uint32_t packet_bytes = segmentation.header_bytes + slice.payload_bytes;
    fix_ip(out, segmentation, first, packet_bytes);
    std::uint8_t* const transport = &out[segmentation.ip_bytes];
    const std::uint32_t transport_bytes = packet_bytes - segmentation.ip_bytes;
    if (segmentation.tcp) {
        store32(transport + 4, load32(transport + 4) + slice.payload_begin);
        if (!last) transport[13] &= static_cast<std::uint8_t>(~(kFin | kPush));
        if (first > 0) transport[13] &= static_cast<std::uint8_t>(~kWindowReduced);
    } else {
        store16(transport + 4, transport_bytes);
    }
    const std::uint64_t sum = pseudo_header_sum(out, segmentation, transport_bytes);
    store16(transport + (segmentation.tcp ? kTcpChecksum : kUdpChecksum), fold(sum));

    slice.header.hdr_len = segmentation.header_bytes;
    if (first > 0) slice.header.gso_type &= static_cast<std::uint8_t>(~VirtioHeader::kGsoEcn);
    if (count == 1) {
        slice.header.gso_type = VirtioHeader::kNotGso;
        slice.header.gso_size = 0;
    }
    return slice;
}

bool complete_checksum(const VirtioHeader& header, std::span<std::uint8_t> packet) {
    if ((header.flags & VirtioHeader::kNeedsChecksum) == 0) return true;
    const std::size_t field = std::size_t{header.csum_start} + header.csum_offset;
    if (field + 2 > packet.size()) return false;
    // The field holds the pseudo header's sum already.
    const std::uint16_t sum = fold(word_sum(packet.subspan(header.csum_start)));
    const auto checksum = static_cast<std::uint16_t>(~sum);
    // In UDP 0 means "none" (RFC 768); TCP may send either form of zero.
    store16(&packet[field], checksum == 0 ? 0xffffU : checksum);
    return true;
}

}  // namespace pleat
