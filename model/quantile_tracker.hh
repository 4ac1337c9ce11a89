// QuantileTracker: follows a quantile of what it observes, by small steps (as in stochastic
// approximation).
#pragma once

#include "base/duration.hh"

namespace pleat {

class QuantileTracker {
  public:
    constexpr QuantileTracker(double quantile, Duration first)
        : quantile_{quantile}, value_{first} {}

    void observe(Duration sample) {
        const double step = sample > value_ ? quantile_ : quantile_ - 1.0;
        value_ += Duration{static_cast<Duration::rep>(step * kStep)};
    }

    Duration value() const { return value_; }

  private:
    static constexpr double kStep = 4000.0;  // ns

    double quantile_;
    Duration value_;
};

}  // namespace pleat
