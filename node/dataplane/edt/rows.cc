#include "node/dataplane/edt/rows.hh"

#include <cmath>

namespace pleat {

namespace {

template <typename To>
To saturated(std::int64_t value) {
    constexpr auto kMost = std::int64_t{std::numeric_limits<To>::max()};
    return static_cast<To>(std::clamp<std::int64_t>(value, 0, kMost));
}

std::uint8_t distribution_of(JitterDistribution distribution) {
    switch (distribution) {
        case JitterDistribution::normal:
            return EDT_NORMAL;
        case JitterDistribution::uniform:
            return EDT_UNIFORM;
        case JitterDistribution::pareto:
            break;
    }
    return EDT_PARETO;
}

}  // namespace

std::uint64_t time_per_byte(Bandwidth rate) {
    if (rate.is_unlimited()) return 0;
    constexpr Int128 kBitTime = Int128{8} * 1'000'000'000 << EDT_TIME_PER_BYTE_SHIFT;
    const Int128 bits = std::max(rate, kSlowestRate).bits_per_second();
    return static_cast<std::uint64_t>((kBitTime + bits - 1) / bits);
}

Bandwidth rate_of(std::uint64_t time_per_byte) {
    if (time_per_byte == 0) return Bandwidth::unlimited();
    constexpr Int128 kBitTime = Int128{8} * 1'000'000'000 << EDT_TIME_PER_BYTE_SHIFT;
    const Int128 nearest = (kBitTime + time_per_byte / 2) / time_per_byte;
    return Bandwidth::bits_per_second(static_cast<std::int64_t>(std::max<Int128>(nearest, 1)));
}

std::uint32_t chance(Probability p) {
    if (p.value() <= 0.0) return 0;
    if (p.value() >= 1.0) return EDT_ALWAYS;
    const double scaled = std::round(std::ldexp(p.value(), 32));
    return static_cast<std::uint32_t>(std::clamp(scaled, 1.0, double{EDT_ALWAYS} - 1.0));
}

edt_path path_row(const Path& path, std::uint32_t uplink) {
    edt_path row{};
    row.time_per_byte = time_per_byte(path.bandwidth);
    row.delay_ns = static_cast<std::uint64_t>(
        std::clamp(path.latency, Duration::zero(), Duration{kLongestDelay}).count());
    row.jitter_ns = saturated<std::uint32_t>(path.jitter.count());
    row.queue_bytes = saturated<std::uint32_t>(path.queue.bytes());
    row.loss = chance(path.loss);
    row.duplicate = chance(path.duplicate);
    row.corrupt = chance(path.corrupt);
    row.reorder = chance(path.reorder);
    row.uplink = uplink;
    row.overhead = saturated<std::uint16_t>(path.overhead.bytes_per_packet);
    row.distribution = distribution_of(path.distribution);
    row.flags = EDT_REACHABLE;
    if (path.burst_loss) {
        row.flags |= EDT_BURST_LOSS;
        row.burst_p = chance(path.burst_loss->p);
        row.burst_r = chance(path.burst_loss->r);
        row.burst_h = chance(path.burst_loss->h);
        row.burst_k = chance(path.burst_loss->k);
    }
    return row;
}

edt_uplink uplink_row(const LinkProperties& link) {
    edt_uplink row{};
    row.time_per_byte = time_per_byte(link.bandwidth);
    row.overhead = saturated<std::uint16_t>(link.overhead.bytes_per_packet);
    return row;
}

bool has_chances(const edt_path& row) {
    return (row.loss | row.duplicate | row.corrupt | row.reorder) != 0 ||
           (row.flags & EDT_BURST_LOSS) != 0;
}

}  // namespace pleat
