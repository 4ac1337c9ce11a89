// WayCheck: measures the network between machines, a pair at a time, so that no measurement
// disturbs another. A machine of messages and time; what comes of a pair is told once.
//
//     OPENING --both have opened their ends--> MEASURING --the leader has told--> the next pair
//        |                                         |
//        +---- one fails, is gone, or too late ----+-- with the reason --> the next pair
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "wire/messages.hh"

namespace pleat {

class WayCheck {
  public:
    struct Pair {
        std::string from;  // leads; before `to`, by name
        std::string to;
        bool rates = false;
    };

    struct Outputs {
        // False when it is not connected.
        std::function<bool(const std::string& machine, const ControlMessage& message,
                           const std::string& name)>
            to_node;
        // That of a pair: `quality`, or `problem` and why.
        std::function<void(const Pair& pair, const std::optional<WayQuality>& quality,
                           const std::string& problem)>
            measured;
        // The one that is being measured now, and which it is of how many.
        std::function<void(const Pair& pair, std::size_t number, std::size_t all)> began;
        std::function<std::string()> fresh_key;
    };

    // A machine has so long for each step.
    static constexpr Duration kOpeningPatience = std::chrono::seconds{5};
    static constexpr Duration kMeasuringPatience = std::chrono::seconds{20};

    // `name` is that of no run, and of no earlier check.
    WayCheck(std::vector<Pair> pairs, std::string name, Outputs outputs, Instant now);

    // False when it is nothing of this check.
    bool receive(const std::string& machine, const std::string& name, const ControlMessage& message,
                 Instant now);

    void node_gone(const std::string& machine, Instant now);

    // At deadline() or later.
    void tick(Instant now);

    Instant deadline() const { return deadline_; }

    bool finished() const { return next_ > pairs_.size(); }

  private:
    const Pair& pair() const { return pairs_[next_ - 1]; }

    // The name of the present measurement: answers to an earlier one are stale.
    std::string name() const;

    void begin_next(Instant now);
    void measure(Instant now);
    void end(const std::optional<WayQuality>& quality, const std::string& problem, Instant now);

    std::vector<Pair> pairs_;
    std::string name_;
    Outputs outputs_;
    std::size_t next_ = 0;  // the present one is before it
    bool measuring_ = false;
    std::string from_way_;  // empty: not opened yet
    std::string to_way_;
    Instant deadline_;
};

}  // namespace pleat
