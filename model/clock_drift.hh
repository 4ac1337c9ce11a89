// ClockDrift: by how much another machine's time since T0 may have differed from ours.
//
// Its events happen at T0 and so much more by its own clock: what the two clocks have gone apart
// since, and what is not known of that, is by how much they may be early or late.
#pragma once

#include <algorithm>
#include <optional>

#include "base/clock.hh"

namespace pleat {

class ClockDrift {
  public:
    // Clocks that went apart by more than this during a run are worth a warning.
    static constexpr Duration kMuch = std::chrono::milliseconds{2};

    // Its clock will show, or showed, `t0` at T0, give or take `bound`.
    void begin(Instant t0, Duration bound) {
        t0_ = t0;
        most_ = bound;
    }

    // Somebody before us began it, who knew that they differed by this much. It is followed from
    // the next look on, beside what was known.
    void resume(Duration known) { most_ = known; }

    // It shows `there`, give or take `bound`, when our clock is `since_t0` after T0. By how much
    // they are apart, told once, the first time that it is more than can be doubted.
    std::optional<Duration> look(Duration since_t0, Instant there, Duration bound) {
        if (!t0_) {
            t0_ = there - since_t0;
            before_ = most_ + bound;
        }
        const Duration apart = std::chrono::abs((there - *t0_) - since_t0) + bound;
        most_ = std::max(most_, before_ + apart);
        if (told_ || apart < kMuch + 2 * bound) return {};
        told_ = true;
        return apart;
    }

    // The most that it may have been at any look.
    Duration most() const { return most_; }

  private:
    std::optional<Instant> t0_;  // by its clock
    Duration most_{};
    Duration before_{};  // somebody else's, and the bound of where we began
    bool told_ = false;
};

}  // namespace pleat
