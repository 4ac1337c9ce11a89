// KeyHeap: a 4-ary heap of bridges by key that knows where each one is, so that a key can
// be lowered in place. Four children share a cache line.
#pragma once

#include <cstdint>
#include <vector>

#include "model/route_metric.hh"

namespace pleat {

class KeyHeap {
  public:
    explicit KeyHeap(std::size_t bridges) : place_(bridges, kAbsent) {}

    bool empty() const { return entries_.empty(); }

    // Adds the bridge, or lowers its key.
    void lower(BridgeId bridge, RouteKey key) {
        std::uint32_t at = place_[bridge.value];
        if (at == kAbsent) {
            at = static_cast<std::uint32_t>(entries_.size());
            entries_.emplace_back();
        }
        while (at > 0) {
            const std::uint32_t parent = (at - 1) / 4;
            if (entries_[parent].key <= key) break;
            put(at, entries_[parent]);
            at = parent;
        }
        put(at, Entry{key, bridge});
    }

    // Removes a bridge of the lowest key; which one of several does not matter.
    BridgeId pop() {
        const BridgeId first = entries_.front().bridge;
        place_[first.value] = kAbsent;
        const Entry last = entries_.back();
        entries_.pop_back();
        if (!entries_.empty()) sink(last);
        return first;
    }

  private:
    static constexpr std::uint32_t kAbsent = 0xffffffff;

    struct Entry {
        RouteKey key = 0;
        BridgeId bridge;
    };

    void put(std::uint32_t at, Entry entry) {
        entries_[at] = entry;
        place_[entry.bridge.value] = at;
    }

    // Puts `entry` in the place of the first.
    void sink(Entry entry) {
        const auto size = static_cast<std::uint32_t>(entries_.size());
        std::uint32_t at = 0;
        for (;;) {
            const std::uint32_t first = 4 * at + 1;
            if (first >= size) break;
            const std::uint32_t end = std::min(first + 4, size);
            std::uint32_t least = first;
            for (std::uint32_t child = first + 1; child < end; ++child) {
                if (entries_[child].key < entries_[least].key) least = child;
            }
            if (entries_[least].key >= entry.key) break;
            put(at, entries_[least]);
            at = least;
        }
        put(at, entry);
    }

    std::vector<Entry> entries_;
    std::vector<std::uint32_t> place_;
};

}  // namespace pleat
