// Punctuality: how late a thread that wakes for instants usually is on this machine.
//
// What is usual, 99 times in 100, is no hold-up, nor is a tenth of a millisecond (1 % of the 10 ms
// in which links are looked at). So a machine on which all sleeps end late does not look like one
// that is held up all the time.
#pragma once

#include <algorithm>

#include "model/quantile_tracker.hh"

namespace pleat {

class Punctuality {
  public:
    // A wake-up was this late.
    void observe(Duration late) { usual_.observe(late); }

    // Those that are later were held up.
    Duration usual() const { return std::clamp<Duration>(usual_.value(), kLeastUsual, kMostUsual); }

  private:
    static constexpr Duration kLeastUsual = std::chrono::microseconds{100};
    static constexpr Duration kMostUsual = std::chrono::milliseconds{5};

    QuantileTracker usual_{0.99, std::chrono::microseconds{50}};
};

}  // namespace pleat
