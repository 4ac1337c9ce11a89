// NetworkState: the topology as it is at one instant, after the events so far.
//
// (1) A link carries when it is up itself, both its ends are up, and no partition in
//     force separates its ends.
// (2) Each of these, and each link's properties, has a lasting value below and overlays
//     on top, in the order in which they began. An overlay that ends uncovers what lies
//     beneath, changed or not in the meantime.
// (3) The order of simultaneous events does not matter: they are applied in canonical
//     order, but every Heal first, so that `heal` with `partition` divides anew. So of
//     two that contradict each other the one that breaks wins: down over up.
// (4) A change by hand is an overlay, too: it stays until a lasting event of the same thing
//     (the same field of a link, the same switch) replaces it, or a LinkReset takes it off.
//     Partitions made by hand end with the next Heal, as others do.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "model/event.hh"
#include "model/topology.hh"

namespace pleat {

// What of a link varies. `up` is the effective state: its own, its ends', partitions'.
struct LinkState {
    LinkProperties properties;
    bool up = true;

    friend auto operator<=>(const LinkState&, const LinkState&) = default;
};

// For each host the side of one partition it is on; 0: not concerned.
using Sides = std::vector<std::uint32_t>;

class NetworkState {
  public:
    explicit NetworkState(const Topology& topology);  // the topology must outlive it

    // Applies the events of one instant (in any order, see (3)) and tells which links'
    // states changed, ascending. Those that do not concern the topology are passed over.
    std::vector<LinkId> apply(std::span<const TimedEvent> simultaneous);

    std::span<const LinkState> links() const { return links_; }

    // The partitions in force that concern hosts, each once, sorted.
    const std::vector<Sides>& partitions() const { return partitions_; }

  private:
    template <typename T>
    struct Overlay {
        std::uint32_t number;
        bool by_hand;
        T value;

        friend bool operator==(const Overlay&, const Overlay&) = default;
    };

    template <typename T>
    using Overlays = std::vector<Overlay<T>>;

    // Up or down, for one cause.
    struct Switch {
        bool lasting = true;
        Overlays<bool> overlays;

        bool on() const { return overlays.empty() ? lasting : overlays.back().value; }
    };

    struct Layers {
        LinkProperties lasting;
        Overlays<LinkPatch> overlays;
    };

    template <typename T>
    static void lay(Overlays<T>& overlays, const TimedEvent& timed, T value);
    template <typename T>
    static void take_off_what_hands_laid(Overlays<T>& overlays);

    void apply_one(const TimedEvent& timed);
    void turn(Switch& which, const TimedEvent& timed, bool on);
    void touch_links_of(VertexId v);
    void divide(const TimedEvent& timed, const Partition& partition);
    void heal(const TimedEvent& timed);
    void refresh_separations();
    LinkState effective(LinkId id) const;

    const Topology* topology_;
    std::vector<LinkState> links_;
    std::vector<Sides> partitions_;

    std::vector<Layers> layers_;     // by LinkId
    std::vector<Switch> link_up_;    // by LinkId
    std::vector<Switch> vertex_up_;  // by VertexId
    std::vector<Sides> divisions_;   // lasting partitions, by VertexId instead of HostId
    Overlays<std::optional<Sides>> division_overlays_;  // nothing: a Heal, hides those below
    std::vector<Sides> separations_;                    // those of the above in force, sorted

    std::vector<LinkId> touched_;  // by the events being applied
};

}  // namespace pleat
