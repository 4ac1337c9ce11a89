// Punctuality: how late a thread that wakes for instants is on this machine, and how it is to
// come back to due times after a hold-up.
//
// (1) What is usual, 99 times in 100, is no hold-up, nor is half a millisecond (5 % of the 10 ms
//     in which links are looked at): many small ones would make a full path's round trips
//     longer, and a sender's window too small for its rate (by 0.7 % at 4 Gbps).
// (2) Lateness is made good four times as fast as the machine has lost time lately, so that it
//     does not pile up, but no faster, so that receivers hardly see a link exceeded.
#pragma once

#include <algorithm>
#include <cmath>

#include "model/catch_up.hh"
#include "model/quantile_tracker.hh"

namespace pleat {

class Punctuality {
  public:
    static constexpr double kLeastShare = 1.0 / 32;
    static constexpr double kMostShare = 1;

    // A wake-up was this late, at `now`.
    void observe(Duration late, FineInstant now) {
        const Seconds passed = now - last_;
        const Seconds lost = std::max(late - usual(), Duration::zero());
        lost_ = lost_ * std::exp(-passed / kMemory) + lost;
        last_ = now;
        usual_.observe(late);
    }

    CatchUp::Pace pace() const {
        return {.at_once = usual(),
                .share = std::clamp(4 * (lost_ / kMemory), kLeastShare, kMostShare)};
    }

  private:
    using Seconds = std::chrono::duration<double>;

    static constexpr Duration kLeastUsual = std::chrono::microseconds{500};
    static constexpr Duration kMostUsual = std::chrono::milliseconds{5};
    static constexpr Seconds kMemory{5};

    Duration usual() const { return std::clamp<Duration>(usual_.value(), kLeastUsual, kMostUsual); }

    QuantileTracker usual_{0.99, std::chrono::microseconds{50}};
    Seconds lost_{};  // lately: what is longer ago counts less
    FineInstant last_;
};

}  // namespace pleat
