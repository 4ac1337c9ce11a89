#include "node/dataplane/netem/shape.hh"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pleat {

namespace {

constexpr std::int64_t kPacket = 1514;
constexpr std::int64_t kLongestPacket = 65536;
constexpr Bandwidth kFastest = Bandwidth::bits_per_second(1'000'000'000'000);
constexpr Duration kBurst = std::chrono::milliseconds{2};
constexpr Duration kTurn = std::chrono::milliseconds{1};
// netem draws with an int of nanoseconds, which for a long tail is told a multiple.
constexpr Duration kMostJitter{std::numeric_limits<std::int32_t>::max() / 5};

}  // namespace

std::uint64_t htb_rate(Bandwidth rate) {
    const std::int64_t bytes = std::min(rate, kFastest).bytes_per_second();
    return static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 1));
}

std::uint32_t htb_burst(Bandwidth rate) {
    const std::int64_t bytes = (std::min(rate, kFastest) * kBurst).bytes();
    return static_cast<std::uint32_t>(std::max<std::int64_t>(bytes, 1));
}

std::uint32_t htb_quantum(Bandwidth shared) {
    const std::int64_t bytes = (std::min(shared, kFastest) * kTurn).bytes();
    return static_cast<std::uint32_t>(std::clamp(bytes, kPacket, kLongestPacket));
}

std::uint32_t netem_chance(Probability p) {
    if (p.value() <= 0.0) return 0;
    const double scaled = std::ldexp(p.value(), 32);
    if (scaled >= static_cast<double>(kAlways)) return kAlways;
    return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(std::llround(scaled)));
}

std::uint32_t netem_limit(Bandwidth rate, Duration delay, Duration jitter, DataSize queue) {
    constexpr std::int64_t kShort = 100;
    constexpr std::int64_t kLeast = 1000;
    static constexpr std::int64_t kMost = 1'000'000;
    // No queue can be longer than `kMost` packets, so sums stay far from any limit.
    const auto packets = [](DataSize size) { return std::min(size.bytes() / kShort, kMost); };
    const Duration longest = delay + 4 * std::min(jitter, kMostJitter);
    const std::int64_t held = packets(rate * longest) + packets(queue);
    return static_cast<std::uint32_t>(std::clamp(held, kLeast, kMost));
}

std::uint32_t queue_limit(DataSize queue) {
    constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
    return static_cast<std::uint32_t>(std::clamp(queue.bytes(), kPacket, kMost));
}

ClassShape class_shape(Bandwidth rate, Bandwidth shared, Overhead overhead) {
    // The kernel counts the layer-2 header, and can only add to it.
    const std::int32_t more = std::max(overhead.bytes_per_packet - Overhead::kEthernet, 0);
    return ClassShape{.ceil_bytes_per_sec = htb_rate(rate),
                      .burst_bytes = htb_burst(rate),
                      .quantum_bytes = htb_quantum(shared),
                      .overhead_bytes = static_cast<std::uint16_t>(more)};
}

PathShape earlier(PathShape path, Duration early) {
    path.latency = std::max(path.latency - early, Duration::zero());
    return path;
}

DestinationShape destination_shape(const PathShape& path, Bandwidth cap, Bandwidth uplink) {
    const Bandwidth rate = std::min(path.bandwidth, cap);
    NetemShape netem{
        .delay = path.latency,
        .jitter = std::min(path.jitter, kMostJitter),
        .distribution = path.distribution,
        .loss = netem_chance(path.loss),
        .burst_loss = std::nullopt,
        .duplicate = netem_chance(path.duplicate),
        .corrupt = netem_chance(path.corrupt),
        .reorder = netem_chance(path.reorder),
        .limit_packets = netem_limit(path.bandwidth, path.latency, path.jitter, path.queue)};
    if (path.burst_loss) {
        const GilbertElliott& burst = *path.burst_loss;
        netem.burst_loss =
            NetemBurstLoss{.p = netem_chance(burst.p),
                           .r = netem_chance(burst.r),
                           .h = netem_chance(burst.h),
                           .k1 = netem_chance(Probability::of(1.0 - burst.k.value()))};
    }
    return DestinationShape{.clock = class_shape(rate, uplink, path.overhead),
                            .netem = netem,
                            .queue_bytes = queue_limit(path.queue)};
}

std::optional<std::uint32_t> segments_at_once(const PathShape& path) {
    if (path.has_chances()) return 1;
    const std::int64_t quarter = path.queue.bytes() / 4;
    if (quarter >= kLongestPacket) return std::nullopt;
    return static_cast<std::uint32_t>(std::max<std::int64_t>(quarter / kPacket, 1));
}

}  // namespace pleat
