// Train: what moves through the emulated network. One or more consecutive segments of a
// packet as the sender's kernel gave it (a GSO packet stands for many), which share a fate.
#pragma once

#include <cstdint>

#include "model/fine_time.hh"
#include "model/link_properties.hh"

namespace pleat {

// What the draws have decided for a segment when it entered.
struct Fate {
    bool lost = false;       // vanishes when it departs
    bool duplicate = false;  // arrives twice
    bool corrupt = false;    // arrives with one bit flipped
    bool reorder = false;    // skips the delay, overtaking the others

    bool plain() const { return !lost && !duplicate && !corrupt && !reorder; }

    friend bool operator==(const Fate&, const Fate&) = default;
};

struct Train {
    std::uint32_t packet = 0;  // the owner's name for the packet
    std::uint16_t first = 0;   // of its segments
    std::uint16_t segments = 1;
    std::int32_t segment_bytes = 0;  // IP packet of each segment but the last
    std::int32_t tail_bytes = 0;     // IP packet of the last one
    Fate fate{};
    std::uint32_t noise = 0;  // even bits, to choose which bit is flipped
    Duration delay{};         // latency and jitter
    FineInstant arrival{};    // when it entered
    Ticks idle_before{};      // its path sent nothing; known when it departs, as is:
    FineInstant due{};        // when it is delivered
    Ticks held_back{};        // it was handed over so much later; see CatchUp

    std::int64_t ip_bytes() const {
        return std::int64_t{segments - 1} * segment_bytes + tail_bytes;
    }

    // As a link with this overhead counts them.
    std::int64_t bytes(Overhead overhead) const {
        return ip_bytes() + std::int64_t{segments} * overhead.bytes_per_packet;
    }

    // Cuts off the first `count` segments, fewer than all.
    Train take_front(std::uint16_t count) {
        Train front = *this;
        front.segments = count;
        front.tail_bytes = segment_bytes;
        first = static_cast<std::uint16_t>(first + count);
        segments = static_cast<std::uint16_t>(segments - count);
        return front;
    }
};

}  // namespace pleat
