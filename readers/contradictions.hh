// Contradictions: what two lines of events say differently of one thing at one instant.
// Simultaneous events are one epoch and the order of lines never matters, so that a reader
// of the file could not tell which of the two holds.
//
// (1) Values that last contradict each other, and so do values that begin to lie over
//     others. A value that lasts and one that lies over it for a while do not.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/event.hh"

namespace pleat {

struct Contradiction {
    std::uint32_t line = 0;  // the later
    std::uint32_t other = 0;
    ExperimentTime at;
    std::string field;       // "latency", "bandwidth", …; "up or down"
    std::string text;        // of `line`
    std::string other_text;  // of `other`
};

// `lines` says of each event which line it is from. At most one for each two lines, in
// their order.
std::vector<Contradiction> find_contradictions(std::span<const TimedEvent> events,
                                               std::span<const std::uint32_t> lines);

}  // namespace pleat
