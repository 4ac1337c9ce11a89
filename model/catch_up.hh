// CatchUp: how a path comes back to its due times after the machine was late.
//
// A thread that is held up for some ms finds several trains of a path due at once. Handed
// over at once they would exceed, for their receivers, every link that they have passed. So
// those behind a late train are late by as much, less the larger of
//     - the time for which the path had nothing to send between the two,
//     - a share of the time between their due times.
//
// (1) Over any interval receivers see at most what the path carries in 1/(1 - share) of it, and
//     in the lateness that is made good at once.
// (2) No train is held back because of lateness above kMost: of a thread that is starved the
//     excess is handed over at once.
// (3) Where the machine is on time nothing is changed.
#pragma once

#include <algorithm>
#include <cmath>

#include "model/train.hh"

namespace pleat {

class CatchUp {
  public:
    static constexpr Duration kMost = std::chrono::milliseconds{20};

    struct Pace {
        Duration at_once{};  // lateness up to this is no hold-up: it is made good at once
        double share = 0;    // of the time, from 0 to 1: so fast lateness is made good
    };

    // When the path's next train is to be handed over: its due time, or later.
    FineInstant hand_over(const Train& next, const Pace& pace) const {
        return next.due + lag(next, pace);
    }

    // It was handed over at this instant.
    void handed_over(const Train& train, FineInstant at, const Pace& pace) {
        lag_ = std::clamp<Ticks>(at - train.due - pace.at_once, lag(train, pace), kMost);
        due_ = train.due;
    }

  private:
    Ticks lag(const Train& next, const Pace& pace) const {
        if (lag_ == Ticks::zero()) return lag_;
        const auto passed = static_cast<double>((next.due - due_).count());
        const Ticks made_good{std::llround(passed * pace.share)};
        return std::max(lag_ - std::max(made_good, next.idle_before), Ticks::zero());
    }

    Ticks lag_{};
    FineInstant due_;  // of the latest
};

}  // namespace pleat
