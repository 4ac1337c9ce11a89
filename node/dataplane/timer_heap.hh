// TimerHeap: the next instants of many timers, earliest first; of two at the same
// instant, the one with the lower id. A 4-ary heap that knows where each timer stands:
// setting one anew costs no search, and timers that are not set cost nothing.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "base/error.hh"
#include "model/fine_time.hh"

namespace pleat {

class TimerHeap {
  public:
    using TimerId = std::uint32_t;

    TimerId add() {
        place_.push_back(kUnset);
        return static_cast<TimerId>(place_.size() - 1);
    }

    bool empty() const { return heap_.empty(); }

    FineInstant next_at() const { return heap_.front().at; }

    TimerId next() const { return heap_.front().id; }

    bool is_set(TimerId id) const { return place_[id] != kUnset; }

    // Sets it, or moves it to another instant.
    void set(TimerId id, FineInstant at) {
        std::uint32_t slot = place_[id];
        if (slot == kUnset) {
            slot = static_cast<std::uint32_t>(heap_.size());
            heap_.push_back({at, id});
            sift_up(slot);
            return;
        }
        const bool earlier = at < heap_[slot].at;
        heap_[slot].at = at;
        if (earlier) {
            sift_up(slot);
        } else {
            sift_down(slot);
        }
    }

    void unset(TimerId id) {
        const std::uint32_t slot = place_[id];
        if (slot == kUnset) return;
        place_[id] = kUnset;
        const Entry last = heap_.back();
        heap_.pop_back();
        if (slot == heap_.size()) return;
        heap_[slot] = last;
        place_[last.id] = slot;
        sift_up(slot);
        sift_down(place_[last.id]);
    }

  private:
    struct Entry {
        FineInstant at;
        TimerId id;

        friend auto operator<=>(const Entry&, const Entry&) = default;
    };

    static constexpr std::uint32_t kUnset = 0xffffffff;
    static constexpr std::uint32_t kArity = 4;

    void put(std::uint32_t slot, Entry entry) {
        heap_[slot] = entry;
        place_[entry.id] = slot;
    }

    void sift_up(std::uint32_t slot) {
        const Entry entry = heap_[slot];
        while (slot > 0) {
            const std::uint32_t parent = (slot - 1) / kArity;
            if (heap_[parent] <= entry) break;
            put(slot, heap_[parent]);
            slot = parent;
        }
        put(slot, entry);
    }

    void sift_down(std::uint32_t slot) {
        const Entry entry = heap_[slot];
        const auto size = static_cast<std::uint32_t>(heap_.size());
        for (;;) {
            const std::uint32_t first = slot * kArity + 1;
            if (first >= size) break;
            std::uint32_t least = first;
            for (std::uint32_t child = first + 1; child < size && child < first + kArity; ++child) {
                if (heap_[child] < heap_[least]) least = child;
            }
            if (entry <= heap_[least]) break;
            put(slot, heap_[least]);
            slot = least;
        }
        put(slot, entry);
    }

    std::vector<Entry> heap_;
    std::vector<std::uint32_t> place_;
};

}  // namespace pleat
