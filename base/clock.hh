// Instants of this machine's monotonic clock, and the one function that reads it.
// Logic takes `now` as an argument; only event loops call monotonic_now().
#pragma once

#include <ctime>

#include "base/duration.hh"

namespace pleat {

// Nanoseconds of CLOCK_MONOTONIC: comparable between processes of one machine,
// never between machines.
struct MonotonicClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock, Duration>;
    static constexpr bool is_steady = true;
};

using Instant = MonotonicClock::time_point;

inline Instant monotonic_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return Instant{std::chrono::seconds{now.tv_sec} + Duration{now.tv_nsec}};
}

}  // namespace pleat
