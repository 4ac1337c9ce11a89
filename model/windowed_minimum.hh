// WindowedMinimum: the smallest of what was seen in the last while. What a way takes is the
// smallest round trip, since all that can happen to one makes it longer; but ways change.
#pragma once

#include <deque>
#include <optional>
#include <utility>

#include "base/clock.hh"

namespace pleat {

class WindowedMinimum {
  public:
    explicit WindowedMinimum(Duration window) : window_{window} {}

    // `now` never goes back.
    void add(Duration value, Instant now) {
        while (!seen_.empty() && seen_.back().second >= value) seen_.pop_back();
        seen_.emplace_back(now, value);
        while (seen_.front().first < now - window_) seen_.pop_front();
    }

    // As of the last add().
    std::optional<Duration> value() const {
        if (seen_.empty()) return {};
        return seen_.front().second;
    }

  private:
    Duration window_;
    std::deque<std::pair<Instant, Duration>> seen_;  // both ascend
};

}  // namespace pleat
