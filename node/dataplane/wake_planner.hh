// WakePlanner: decides how long to sleep so that a deadline is met to a few microseconds.
// A sleep ends tens of microseconds late, so it is planned to end early by about what nine
// of ten sleeps need, and the rest is spent polling.
//
// (1) Polling takes at most an eighth of the time, except before the instants that matter
//     to all (a switch of tables). With no deadline there is no wake-up at all.
#pragma once

#include <algorithm>
#include <optional>

#include "base/clock.hh"
#include "model/quantile_tracker.hh"

namespace pleat {

class WakePlanner {
  public:
    // Nothing: sleep until something else happens. Zero: poll.
    std::optional<Duration> sleep(std::optional<Instant> deadline, Instant now, bool important) {
        refill(now);
        if (!deadline) return std::nullopt;
        const Duration left = *deadline - now;
        if (left <= Duration::zero()) return Duration::zero();
        if (left > lead()) return left - lead();
        if (!important && budget_ <= Duration::zero()) return left;
        polling_ = true;
        return Duration::zero();
    }

    // A sleep that nothing interrupted ended this much after its planned end.
    void overslept(Duration late) {
        lead_.observe(late);
        usual_.observe(late);
    }

    // How early a sleep is to end.
    Duration lead() const {
        return std::clamp<Duration>(lead_.value(), std::chrono::microseconds{5}, kLongestLead);
    }

    // How long it usually takes from an event until this thread runs.
    Duration usual_latency() const {
        return std::clamp<Duration>(usual_.value(), Duration::zero(), kLongestUsual);
    }

    // When a packet that was read at `read` had come: at `woken`, which is what waking took before
    // it was noticed, or, where the thread has been held up since, perhaps only now. A packet that
    // is late is better than one before its time.
    static Instant arrival(Instant woken, Instant read) {
        return read - woken > kLongestUsual + kReading ? read : woken;
    }

  private:
    static constexpr Duration kReading = std::chrono::microseconds{20};
    static constexpr Duration kLongestLead = std::chrono::microseconds{150};
    static constexpr Duration kLongestUsual = std::chrono::microseconds{60};
    static constexpr Duration kBudget = std::chrono::milliseconds{2};
    static constexpr int kShare = 8;

    // Time brings an eighth of itself; polling since the last call costs itself.
    void refill(Instant now) {
        if (last_) {
            const Duration passed = now - *last_;
            budget_ += passed / kShare;
            if (polling_) budget_ -= passed;
            budget_ = std::clamp<Duration>(budget_, -kBudget, kBudget);
        }
        last_ = now;
        polling_ = false;
    }

    QuantileTracker lead_{0.9, std::chrono::microseconds{50}};
    QuantileTracker usual_{0.5, std::chrono::microseconds{20}};
    Duration budget_ = kBudget;
    std::optional<Instant> last_;
    bool polling_ = false;
};

}  // namespace pleat
