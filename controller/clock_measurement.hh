// ClockMeasurement: how a node's clock relates to ours, from pings and pongs: what
// model/clock_offset makes of them, from before T0 to the end of a run.
//
// (1) A pong counts once, and only when it answers the present ping.
// (2) What is known is proven, whatever the delays of the exchanges were; it grows old.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "model/clock_offset.hh"
#include "wire/messages.hh"

namespace pleat {

class ClockMeasurement {
  public:
    static constexpr std::uint32_t kExchanges = 8;

    // The next one to send; the same until it has been answered.
    ClockPing ping(Instant now) const { return {.sequence = sequence_, .sent = now}; }

    // False for a pong that was not waited for: late, or not an answer to our ping.
    bool pong(const ClockPong& pong, Instant now) {
        const Duration rtt = now - pong.ping_sent;
        if (pong.sequence != sequence_ || rtt < Duration::zero()) return false;
        ++sequence_;
        worst_rtt_ = std::max(worst_rtt_, rtt);
        step_ = clock_.observe({.sent = pong.ping_sent,
                                .answered = PeerInstant{pong.at.time_since_epoch()},
                                .received = now});
        return true;
    }

    // Enough for T0.
    bool complete() const { return sequence_ >= kExchanges; }

    // What the node's clock shows when ours shows `ours`; before the first exchange: the same.
    Instant there_at(Instant ours) const {
        const auto reading = clock_.peer_at(ours);
        return reading ? Instant{reading->at.time_since_epoch()} : ours;
    }

    // How far that may be from the truth.
    Duration error_bound(Instant ours) const {
        const auto reading = clock_.peer_at(ours);
        return reading ? reading->bound : Duration::zero();
    }

    Duration worst_rtt() const { return worst_rtt_; }

    // Of the last few; nothing before the first exchange.
    std::optional<Duration> smallest_round_trip() const { return clock_.smallest_round_trip(); }

    // The last exchange said that a clock has jumped.
    const std::optional<ClockStep>& step() const { return step_; }

  private:
    std::uint32_t sequence_ = 0;
    Duration worst_rtt_{};
    ClockOffset clock_;
    std::optional<ClockStep> step_;
};

// How far ahead T0 is announced, at the n-th try (from 0): each refusal doubles it.
inline Duration announcement_lead(Duration worst_rtt, std::uint32_t attempt) {
    const Duration lead = std::max<Duration>(std::chrono::milliseconds{100}, 4 * worst_rtt);
    return lead * (std::int64_t{1} << attempt);
}

}  // namespace pleat
