// When an event's line happens: "30s", "10s..20s", "10s..60s every 5s", "0s..5m poisson
// 20s"; and the timed events that come of a line.
//
// (1) A line that lasts (from..to) is undone at its end; one that repeats is not.
// (2) `every` counts its instants from the beginning, the end included.
// (3) Chance depends on the seed, the line and how often it stands there, on nothing else.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "readers/event_line.hh"

namespace pleat {

struct When {
    ExperimentTime from;
    std::optional<ExperimentTime> to;
    std::optional<Duration> every;
    std::optional<Duration> poisson;  // the mean interval

    bool repeats() const { return every || poisson; }

    ExperimentTime last() const { return to.value_or(from); }
};

Parsed<When> parse_when(std::string_view text);

// "10s..20s"; as it is read.
std::string when_text(const When& when);

// Collects timed events.
class TimelineDraft {
  public:
    // Overlays are numbered from `first_overlay`.
    explicit TimelineDraft(std::uint32_t first_overlay = 1) : next_overlay_{first_overlay} {}

    // What a line causes; nothing happens after `end`. Fails when the line makes no sense
    // at such times, or makes too many events.
    std::optional<TextProblem> add(const EventLine& line, const When& when,
                                   const Topology& topology, std::optional<ExperimentTime> end,
                                   std::uint64_t seed);

    // So far, in the order of their lines.
    std::span<const TimedEvent> events() const { return events_; }

    // Sorted by time.
    std::vector<TimedEvent> finish() &&;

  private:
    class Adder;

    std::vector<TimedEvent> events_;
    std::uint32_t next_overlay_;
    std::map<std::string, std::uint64_t> occurrences_;  // of rules of chance
};

}  // namespace pleat
