// What can happen at an instant of a run. Names are resolved to ids: one value of
// Event concerns one link, point or host; a line with a glob becomes several.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/ids.hh"
#include "model/link_properties.hh"

namespace pleat {

struct LinkChange {
    LinkId link;
    LinkPatch patch;

    friend auto operator<=>(const LinkChange&, const LinkChange&) = default;
};

struct LinkUp {
    LinkId link;

    friend auto operator<=>(const LinkUp&, const LinkUp&) = default;
};

struct LinkDown {
    LinkId link;

    friend auto operator<=>(const LinkDown&, const LinkDown&) = default;
};

// A bridge joins, a host reconnects: its links carry again.
struct VertexUp {
    VertexId vertex;

    friend auto operator<=>(const VertexUp&, const VertexUp&) = default;
};

// A bridge leaves, a host is disconnected: none of its links carries.
struct VertexDown {
    VertexId vertex;

    friend auto operator<=>(const VertexDown&, const VertexDown&) = default;
};

// No path between hosts of different sides, no link between points of different
// sides. Points that no side names are not concerned. Sides and their members sorted.
struct Partition {
    std::vector<std::vector<VertexId>> sides;

    friend auto operator<=>(const Partition&, const Partition&) = default;
};

// Ends every partition.
struct Heal {
    friend auto operator<=>(const Heal&, const Heal&) = default;
};

// Takes off what was changed by hand of a link (Phase::by_hand): its properties, up and down.
struct LinkReset {
    LinkId link;

    friend auto operator<=>(const LinkReset&, const LinkReset&) = default;
};

// Of applications, not of the topology: opens no epoch.
struct HostAction {
    enum class Kind : std::uint8_t { start, stop, crash, restart, pause, resume };

    Kind kind = Kind::start;
    HostId host;

    friend auto operator<=>(const HostAction&, const HostAction&) = default;
};

struct Execute {
    HostId host;
    std::vector<std::string> arguments;

    friend auto operator<=>(const Execute&, const Execute&) = default;
};

struct Mark {
    std::string text;

    friend auto operator<=>(const Mark&, const Mark&) = default;
};

// Ends the run.
struct Quit {
    friend auto operator<=>(const Quit&, const Quit&) = default;
};

using Event = std::variant<LinkChange, LinkUp, LinkDown, VertexUp, VertexDown, Partition, Heal,
                           HostAction, Execute, Mark, Quit, LinkReset>;

// Does this event open an epoch?
bool changes_topology(const Event& event);

// An event that lasts (`10s..20s: set …`) is two TimedEvents of one overlay: at `begin`
// it is laid over the state, at `end` it is taken off, and what lies beneath shows
// again, changed or not in the meantime. For `begin` and `end` the event is the same.
//
// What was changed by hand during a run (`by_hand`) is an overlay without an end of its own:
// see rule (4) of model/network_state.hh.
enum class Phase : std::uint8_t { lasting, begin, end, by_hand };

struct TimedEvent {
    ExperimentTime at{};
    Event event;
    Phase phase = Phase::lasting;
    std::uint32_t overlay = 0;  // names the pair when phase is not `lasting`
    std::string text;           // the line that `pleat do` would take: "set s1--s2 90Mbps"

    friend auto operator<=>(const TimedEvent&, const TimedEvent&) = default;
};

}  // namespace pleat
