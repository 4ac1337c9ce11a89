// An event's line, "set client[*]--s1 10ms", without its time: what it does to what. One
// grammar for files, `pleat do` and the run log.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/event.hh"
#include "readers/selector.hh"

namespace pleat {

// What a line does to one object: one text, and an event or two (one a direction).
struct Deed {
    enum class Undo { overlay, opposite, never };

    std::string text;
    std::vector<Event> events;
    Undo undo = Undo::never;
    std::string opposite_text;  // when it is undone by its opposite
    std::vector<Event> opposite;
};

// `flap LINK every D`: down for D, up for D, and so on.
struct Flapping {
    std::vector<Deed> downs;
    Duration period{};
};

// `churn PATTERN 5% down=10s`: some of the hosts crash and come back.
struct Churn {
    std::vector<HostId> hosts;
    std::size_t victims = 0;
    std::optional<Duration> down;  // nothing: they don't come back
};

// A line that is understood, but that this build can't do (`trace`).
struct NotYet {
    std::string text;
};

using EventLine = std::variant<std::vector<Deed>, Flapping, Churn, NotYet>;

Parsed<EventLine> parse_event_words(std::string_view line, Selector& names);

// "crash client[0]" and the event.
Deed host_deed(std::string_view verb, HostAction::Kind kind, HostId host, const Topology& topology);

}  // namespace pleat
