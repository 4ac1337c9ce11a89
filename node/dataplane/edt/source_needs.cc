#include "node/dataplane/edt/source_needs.hh"

#include <algorithm>
#include <bit>

#include "node/dataplane/edt/rows.hh"

namespace pleat {

namespace {

constexpr std::uint64_t kSmallestPacket = 64;
constexpr std::uint64_t kFewest = SourceNeeds{}.packet_limit;
// 16 million packets are more than a machine's memory holds.
constexpr std::uint64_t kMost = 1U << 24;
// What an unlimited path is taken for: 100 Gbps.
constexpr std::uint64_t kFastestTimePerByte = (8ULL << EDT_TIME_PER_BYTE_SHIFT) / 100;
// Delays reach beyond their mean by so many times the jitter (normal; the others rarely).
constexpr std::uint64_t kWidestJitter = 4;

Int128 most_bytes(const edt_path& path) {
    if ((path.flags & EDT_REACHABLE) == 0) return 0;
    const std::uint64_t per_byte =
        path.time_per_byte == 0 ? kFastestTimePerByte : path.time_per_byte;
    const std::uint64_t delay = path.delay_ns + kWidestJitter * path.jitter_ns;
    const Int128 under_way = (static_cast<Int128>(delay) << EDT_TIME_PER_BYTE_SHIFT) / per_byte;
    // Without a rate nothing ever waits.
    return under_way + (path.time_per_byte == 0 ? 0 : path.queue_bytes);
}

std::uint32_t packet_limit(std::span<const edt_path> paths) {
    Int128 bytes = 0;
    for (const edt_path& path : paths) bytes += most_bytes(path);
    const Int128 packets = std::min<Int128>(bytes / kSmallestPacket, kMost);
    return static_cast<std::uint32_t>(
        std::bit_ceil(std::max(static_cast<std::uint64_t>(packets), kFewest)));
}

}  // namespace

SourceNeeds needs_of(std::span<const edt_path> paths) {
    return SourceNeeds{.packet_limit = packet_limit(paths),
                       .chances = std::ranges::any_of(paths, has_chances)};
}

SourceNeeds either(const SourceNeeds& a, const SourceNeeds& b) {
    return SourceNeeds{.packet_limit = std::max(a.packet_limit, b.packet_limit),
                       .chances = a.chances || b.chances};
}

}  // namespace pleat
