// CatchUp: how a path comes back to its due times after the machine was late.
//
// A thread that is held up for some ms finds several trains of a path due at once. Handed
// over at once they would exceed, for their receivers, every link that they have passed. So
// those behind a late train are late by as much, less the larger of
//     - the time for which the path sent nothing between the two: it had nothing to send, or was
//       itself held up (NetworkTime), so that a full path is on time again after its latency,
//     - 1/128 of the time between their due times.
//
// (1) Over any interval receivers see at most what the path carries in 128/127 of it, and in
//     `at_once`, the lateness that is no hold-up (Punctuality).
// (2) No train is held back because of lateness above kMost: of a thread that is starved the
//     excess is handed over at once.
// (3) Where the machine is on time nothing is changed.
#pragma once

#include <algorithm>

#include "model/train.hh"

namespace pleat {

class CatchUp {
  public:
    static constexpr Duration kMost = std::chrono::milliseconds{100};

    // When the path's next train is to be handed over: its due time, or later.
    FineInstant hand_over(const Train& next) const { return next.due + lag(next); }

    // It was handed over at this instant.
    void handed_over(const Train& train, FineInstant at, Duration at_once) {
        lag_ = std::clamp<Ticks>(at - train.due - Ticks{at_once}, lag(train), kMost);
        due_ = train.due;
    }

  private:
    Ticks lag(const Train& next) const {
        if (lag_ == Ticks::zero()) return lag_;
        const Ticks made_good = (next.due - due_) / 128;
        return std::max(lag_ - std::max(made_good, next.idle_before), Ticks::zero());
    }

    Ticks lag_{};
    FineInstant due_;  // of the latest
};

}  // namespace pleat
