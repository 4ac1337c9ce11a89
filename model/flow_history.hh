// FlowHistory: the counters of one flow over the last 1.2 s, one look each 10 ms, so that
// means over sliding windows cost a few reads.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.hh"

namespace pleat {

// The counters of a flow at one instant, all since the flow was first seen.
struct FlowCount {
    Instant at;
    std::uint64_t bytes = 0;    // departed
    std::uint64_t packets = 0;  // departed
    Duration waited{};          // time with a packet that waits behind another
};

class FlowHistory {
  public:
    // The longest window that can be asked for.
    static constexpr Duration kReach = std::chrono::milliseconds{1200};

    // Forgets all; `count` is what was before.
    void restart(const FlowCount& count);

    // Frees the memory. A restart() must come before anything else.
    void clear();

    // Asserts that time does not go back.
    void record(const FlowCount& count);

    const FlowCount& latest() const { return latest_; }

    // Means over the last `window`, or that which ended `ago` before the latest look.
    // What was before the restart counts as silence.
    double bits_per_second(Duration window, Duration ago = {}) const;
    double waiting(Duration window) const;  // as a part of the window, 0 .. 1

    std::uint64_t packets(Duration window) const;
    Duration waited(Duration window) const;

  private:
    static constexpr Duration kSlot = std::chrono::milliseconds{10};
    static constexpr std::size_t kSlots = 128;

    static std::int64_t slot_number(Instant at) { return at.time_since_epoch() / kSlot; }

    FlowCount& slot(std::int64_t number) {
        return slots_[static_cast<std::size_t>(number) % kSlots];
    }

    // The latest look at or before `at`; the oldest known when there is none.
    const FlowCount& before(Instant at) const;

    std::vector<FlowCount> slots_;  // by slot number modulo their count
    std::int64_t oldest_ = 0;       // slot numbers
    std::int64_t newest_ = 0;
    FlowCount latest_;
};

}  // namespace pleat
