// Time in steps of 1/256 ns, for the clocks of links. A full-size packet takes 121.12 ns
// at 100 Gbps: whole nanoseconds would make each packet up to 1 % slow.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>

#include "base/clock.hh"
#include "model/units.hh"

namespace pleat {

using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 256'000'000'000>>;

// On the machine's monotonic clock; good for 417 days after boot.
using FineInstant = std::chrono::time_point<MonotonicClock, Ticks>;

// How long `bytes` occupy a link of this rate. Rounds up: never fast. At most about 20
// days, so that sums stay far from the end of the number.
constexpr Ticks transmission_time(std::int64_t bytes, Bandwidth rate) {
    if (rate.is_unlimited()) return Ticks::zero();
    constexpr std::int64_t kTicksPerByteAtOneBps = 8 * Ticks::period::den;
    constexpr std::int64_t kMostBytes = 1'000'000;  // 64-bit arithmetic suffices up to here
    constexpr std::int64_t kLongest = std::int64_t{1} << 58;
    const auto bps = static_cast<std::uint64_t>(rate.bits_per_second());
    std::uint64_t ticks = 0;
    if (bytes <= kMostBytes) {
        ticks = (static_cast<std::uint64_t>(bytes * kTicksPerByteAtOneBps) + bps - 1) / bps;
    } else {
        const Int128 wide =
            (static_cast<Int128>(bytes) * kTicksPerByteAtOneBps + static_cast<Int128>(bps) - 1) /
            static_cast<Int128>(bps);
        ticks = static_cast<std::uint64_t>(std::min<Int128>(wide, kLongest));
    }
    return Ticks{static_cast<std::int64_t>(std::min<std::uint64_t>(ticks, kLongest))};
}

}  // namespace pleat
