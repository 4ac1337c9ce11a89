// EventPlayer: tells the events of applications (start, crash, mark, …) when their time
// comes, by a timer of the loop. Events of the topology are the path tables' business;
// the player only counts them as done.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hh"
#include "model/event.hh"

namespace pleat {

class EventPlayer {
  public:
    // `play` is called for each event, with `done`: how many of the timeline are now past.
    using Play = std::function<void(const TimedEvent& event, std::size_t done)>;

    // The timeline must outlive the player.
    EventPlayer(boost::asio::io_context& loop, std::span<const TimedEvent> timeline, Play play);

    // The first `count` have been played already; before begin().
    void skip(std::size_t count) { done_ = count; }

    void begin(Instant t0);
    void stop();

  private:
    void wait_for_next();

    boost::asio::steady_timer timer_;
    std::span<const TimedEvent> timeline_;
    Play play_;
    Instant t0_{};
    std::size_t done_ = 0;
    bool stopped_ = false;
    std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace pleat
