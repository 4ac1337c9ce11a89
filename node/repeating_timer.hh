// RepeatingTimer: calls a function at fixed steps from an instant, while it is on. Steps
// that were missed are skipped, not made up for. Once it is destroyed it calls nothing, also
// when its time had come and the call was only waiting for its turn in the loop (a cancelled
// timer of Asio's does call then).
#pragma once

#include <functional>
#include <memory>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hh"

namespace pleat {

// Asio's steady clock and ours are both CLOCK_MONOTONIC.
inline std::chrono::steady_clock::time_point steady(Instant at) {
    return std::chrono::steady_clock::time_point{
        std::chrono::duration_cast<std::chrono::steady_clock::duration>(at.time_since_epoch())};
}

class RepeatingTimer {
  public:
    RepeatingTimer(boost::asio::io_context& loop, Duration step, std::function<void(Instant)> call)
        : timer_{loop}, step_{step}, call_{std::move(call)} {}

    // First call a step from now. Nothing when it is on already.
    void start() { start_from(monotonic_now()); }

    // First call a step after `origin`.
    void start_from(Instant origin) {
        if (on_) return;
        on_ = true;
        next_ = origin + step_;
        wait();
    }

    void stop() {
        on_ = false;
        timer_.cancel();
    }

  private:
    void wait() {
        timer_.expires_at(steady(next_));
        timer_.async_wait(
            [this, alive = std::weak_ptr<int>{alive_}](const boost::system::error_code& error) {
                if (error || alive.expired() || !on_) return;
                const Instant now = monotonic_now();
                next_ += step_ * ((now - next_) / step_ + 1);
                call_(now);
                if (!alive.expired() && on_) wait();
            });
    }

    boost::asio::steady_timer timer_;
    Duration step_;
    std::function<void(Instant)> call_;
    Instant next_{};
    bool on_ = false;
    std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace pleat
