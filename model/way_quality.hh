// WayQuality: what the real network between two machines is like, from the times and sizes of
// what was sent between them.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "model/units.hh"

namespace pleat {

struct RoundTrips {
    Duration least{};
    Duration median{};  // of an even number the lower one of the middle two

    friend bool operator==(const RoundTrips&, const RoundTrips&) = default;
};

// Nothing of nothing.
std::optional<RoundTrips> round_trips_of(std::vector<Duration> measured);

// A rate, and by how much it may be wrong.
struct MeasuredRate {
    Bandwidth rate = Bandwidth::bits_per_second(1);
    std::int64_t error_bps = 0;  // either way

    friend bool operator==(const MeasuredRate&, const MeasuredRate&) = default;
};

// What of a burst came at an instant; `at` counts from any origin.
struct BurstPiece {
    Duration at{};
    DataSize size = DataSize::bytes(0);
};

// The rate at which a burst came through, by its pieces in order. The first fifth of the time is
// passed over: there token buckets and empty queues let through more than the way carries. The
// error is half the difference between the fastest and the slowest quarter of the rest, and at
// least what one piece more or less would make. Nothing when there are fewer than kLeastPieces,
// or no time passed.
std::optional<MeasuredRate> rate_of_burst(std::span<const BurstPiece> pieces);

inline constexpr std::size_t kLeastPieces = 8;

// The pace of a second burst of at most this size and time: twice the rate that the first may have
// shown, so that the way is full and the burst lasts. Nothing when at that pace it would be over
// before its time: then the first one was as good.
std::optional<Bandwidth> pace_after(const MeasuredRate& first, DataSize most, Duration time);

// The network between two machines, as the first one by name has measured it.
struct WayQuality {
    RoundTrips round_trips;
    DataSize mtu = DataSize::bytes(0);  // the largest IP packet, of the sizes that were tried
    // Of hosts' packets in one direction; nothing: not measured.
    std::optional<MeasuredRate> there{};
    std::optional<MeasuredRate> back{};

    friend bool operator==(const WayQuality&, const WayQuality&) = default;
};

}  // namespace pleat
