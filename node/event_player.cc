#include "node/event_player.hh"

#include "node/repeating_timer.hh"

namespace pleat {

EventPlayer::EventPlayer(boost::asio::io_context& loop, std::span<const TimedEvent> timeline,
                         Play play)
    : timer_{loop}, timeline_{timeline}, play_{std::move(play)} {}

void EventPlayer::begin(Instant t0) {
    t0_ = t0;
    wait_for_next();
}

void EventPlayer::stop() {
    stopped_ = true;
    timer_.cancel();
}

void EventPlayer::wait_for_next() {
    if (stopped_ || done_ >= timeline_.size()) return;
    timer_.expires_at(steady(t0_ + timeline_[done_].at.time_since_epoch()));
    timer_.async_wait(
        [this, alive = std::weak_ptr<int>{alive_}](const boost::system::error_code& error) {
            if (error || alive.expired() || stopped_) return;
            const ExperimentTime instant = timeline_[done_].at;
            while (!stopped_ && done_ < timeline_.size() && timeline_[done_].at == instant) {
                const TimedEvent& event = timeline_[done_];
                ++done_;
                play_(event, done_);
            }
            wait_for_next();
        });
}

}  // namespace pleat
