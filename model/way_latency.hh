// WayLatency: what the real network between two machines takes, there and back, made of exchanges
// of daemons that are woken late, on machines that have other work.
//
// (1) Receipts are stamped by the kernel, and the other says how long it kept what it answers, so
//     waking takes no part. What is left of disturbances (queues, a thread that is stopped between
//     looking at the clock and sending, a late timer of the network) makes an exchange longer,
//     never shorter: the smallest counts.
// (2) Nothing is said before kEnough exchanges, so that one moment does not spoil them all.
// (3) A smaller one is in force at once.
// (4) A larger one is in force when all exchanges of the last kWindow, at least kEnough, were
//     larger than what is in force by more than margin(): then the way has become slower, and the
//     smallest of them counts. What varies less is not worth moving packets for.
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "base/clock.hh"

namespace pleat {

// One question and its answer, by the clock of who asked.
struct WayExchange {
    Instant sent{};
    Instant came{};   // the answer
    Duration held{};  // by the other, between receiving and answering, on its clock
};

// What of it was the network's; nothing when it contradicts itself.
std::optional<Duration> network_time(const WayExchange& exchange);

class WayLatency {
  public:
    static constexpr std::size_t kEnough = 10;
    static constexpr Duration kWindow = std::chrono::seconds{30};

    // Of rule (4).
    static Duration margin(Duration in_force);

    // `now` never goes back; not more often than the caller asks, for all of a window are kept.
    void add(const WayExchange& exchange, Instant now);

    // What is in force; empty before kEnough exchanges.
    const std::optional<Duration>& round_trip() const { return in_force_; }

  private:
    std::optional<Duration> in_force_;
    std::deque<std::pair<Instant, Duration>> seen_;  // of the last kWindow
};

}  // namespace pleat
