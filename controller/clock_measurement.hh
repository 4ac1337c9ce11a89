// ClockMeasurement: how a node's clock relates to ours, from pings and pongs. The exchange
// with the smallest round trip says most: its error is at most half of that.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/clock.hh"
#include "wire/messages.hh"

namespace pleat {

class ClockMeasurement {
  public:
    static constexpr std::uint32_t kExchanges = 8;

    // The next one to send.
    ClockPing ping(Instant now) { return {.sequence = sequence_, .sent = now}; }

    // False for a pong that was not waited for: late, or not an answer to our ping.
    bool pong(const ClockPong& pong, Instant now) {
        const Duration rtt = now - pong.ping_sent;
        if (pong.sequence != sequence_ || rtt < Duration::zero()) return false;
        ++sequence_;
        worst_rtt_ = std::max(worst_rtt_, rtt);
        if (!best_rtt_ || rtt < *best_rtt_) {
            best_rtt_ = rtt;
            offset_ = pong.at - (pong.ping_sent + rtt / 2);
        }
        return true;
    }

    bool complete() const { return sequence_ >= kExchanges; }

    // To be added to our instants to have the node's.
    Duration offset() const { return offset_; }

    Duration error_bound() const { return best_rtt_.value_or(Duration::zero()) / 2; }

    Duration worst_rtt() const { return worst_rtt_; }

  private:
    std::uint32_t sequence_ = 0;
    std::optional<Duration> best_rtt_;
    Duration worst_rtt_{};
    Duration offset_{};
};

// How far ahead T0 is announced, at the n-th try (from 0): each refusal doubles it.
inline Duration announcement_lead(Duration worst_rtt, std::uint32_t attempt) {
    const Duration lead = std::max<Duration>(std::chrono::milliseconds{100}, 4 * worst_rtt);
    return lead * (std::int64_t{1} << attempt);
}

}  // namespace pleat
