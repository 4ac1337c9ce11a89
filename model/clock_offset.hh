// ClockOffset: what another machine's clock shows when ours shows something, and how far
// that can be from the truth. Told of exchanges: I ask at `sent`, he answers with his
// clock's reading, I have the answer at `received`.
//
// Let offset(t) = his clock - my clock when mine shows t.
// (1) His reading was taken between the two instants, so answered - received is at most the
//     offset at `received`, and answered - sent at least the offset at `sent`: true whatever
//     the delays and however asymmetric. (Cristian 1989; the interval of half a round trip.)
// (2) The offset's rate is within `rate` and changes by at most `wander` in a second, so
//     |offset(s) - offset(t) - r (s - t)| <= wander (s - t)^2 / 2, r the rate at t. All
//     exchanges together then bound offset(t) by a linear programme in offset(t) and r,
//     which is solved exactly. (Lines fitted by linear programming: Duda et al. 1987,
//     Moon, Skelly and Towsley 1999; here with the clock's wander as slack, so that the
//     bound is proven, grows with age and shrinks with new samples.)
// (3) An exchange that contradicts (2) means that a clock stepped or a machine stood still:
//     what was known before is forgotten and the step is reported. Between the step and that
//     exchange the bound does not hold: nobody could know.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.hh"

namespace pleat {

// Another machine's CLOCK_MONOTONIC: never compared with ours.
struct PeerClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<PeerClock, Duration>;
    static constexpr bool is_steady = true;
};

using PeerInstant = PeerClock::time_point;

struct ClockExchange {
    Instant sent;
    PeerInstant answered;
    Instant received;
};

struct ClockLimits {
    // The most by which two clocks' rates differ. 500 ppm is what the kernel's own
    // discipline allows (adjtimex(2)), crystals are within 100 ppm each.
    double rate = 500e-6;
    // By how much that difference changes in a second.
    double wander = 1e-6;
};

// The truth is within `at` -+ `bound`.
struct PeerReading {
    PeerInstant at;
    Duration bound{};
};

struct LocalReading {
    Instant at;
    Duration bound{};
};

struct ClockStep {
    Instant noticed;
    Duration size{};  // at least so far from what was possible; negative: his clock fell back
};

class ClockOffset {
  public:
    explicit ClockOffset(ClockLimits limits = {}) : limits_{limits} {}

    // Asserts that sent <= received. Exchanges may come in any order; one whose stamps differ
    // by more than 146 years is passed over.
    std::optional<ClockStep> observe(const ClockExchange& exchange);

    // What his clock shows when mine shows `mine`; nothing before the first exchange.
    std::optional<PeerReading> peer_at(Instant mine) const;

    // What mine shows when his shows `his`.
    std::optional<LocalReading> local_at(PeerInstant his) const;

    // Of the exchanges that are remembered.
    std::optional<Duration> smallest_round_trip() const;

    std::uint64_t steps() const { return steps_; }

  private:
    // In ns, relative to base_: small enough for a double to be exact.
    struct Bounds {
        Instant sent;
        Instant received;
        double most = 0;   // of the offset at `sent`
        double least = 0;  // of the offset at `received`
    };

    struct Interval {
        double least = 0;
        double most = 0;
    };

    std::optional<Interval> offset_at(Instant mine) const;
    void forget_one();

    ClockLimits limits_;
    std::int64_t base_ = 0;          // ns, of all offsets
    std::vector<Bounds> exchanges_;  // by `sent`
    std::uint64_t steps_ = 0;
};

}  // namespace pleat
