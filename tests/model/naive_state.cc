#include "tests/model/naive_state.hh"

#include <algorithm>
#include <optional>
#include <set>

namespace pleat::testing {

namespace {

class Past {
  public:
    Past(const std::vector<TimedEvent>& timeline, ExperimentTime now) {
        for (const TimedEvent& timed : timeline) {
            if (timed.at <= now) events_.push_back(timed);
        }
    }

    // Lasting events first, then the overlays in force, each in the order of their time.
    std::vector<TimedEvent> in_force() const {
        std::vector<TimedEvent> result;
        for (const TimedEvent& timed : events_) {
            if (timed.phase == Phase::lasting) result.push_back(timed);
        }
        for (const TimedEvent& timed : events_) {
            if (timed.phase == Phase::begin && !ended(timed)) result.push_back(timed);
        }
        return result;
    }

    // When the last lasting Heal was.
    std::optional<ExperimentTime> healed() const {
        std::optional<ExperimentTime> last;
        for (const TimedEvent& timed : events_) {
            if (timed.phase == Phase::lasting && std::holds_alternative<Heal>(timed.event)) {
                last = timed.at;
            }
        }
        return last;
    }

  private:
    bool ended(const TimedEvent& begin) const {
        return std::ranges::any_of(events_, [&begin](const TimedEvent& timed) {
            return timed.phase == Phase::end && timed.overlay == begin.overlay &&
                   timed.event == begin.event;
        });
    }

    std::vector<TimedEvent> events_;
};

std::uint32_t side_of(const Partition& partition, VertexId v) {
    for (std::uint32_t s = 0; s < partition.sides.size(); ++s) {
        if (std::ranges::count(partition.sides[s], v) > 0) return s + 1;
    }
    return 0;
}

std::vector<Partition> partitions_in_force(const Past& past) {
    // Of overlays of Heal, the last: what began before it is hidden, at its instant is not.
    std::optional<ExperimentTime> hidden_before;
    for (const TimedEvent& timed : past.in_force()) {
        if (timed.phase == Phase::begin && std::holds_alternative<Heal>(timed.event)) {
            hidden_before = timed.at;
        }
    }
    std::vector<Partition> result;
    for (const TimedEvent& timed : past.in_force()) {
        const auto* partition = std::get_if<Partition>(&timed.event);
        if (partition == nullptr) continue;
        if (past.healed() && timed.at < *past.healed()) continue;
        if (hidden_before && (timed.phase == Phase::lasting || timed.at < *hidden_before)) continue;
        result.push_back(*partition);
    }
    return result;
}

}  // namespace

NaiveState::NaiveState(const Topology& topology, const std::vector<TimedEvent>& timeline,
                       ExperimentTime now) {
    const Past past{timeline, now};
    const std::vector<TimedEvent> events = past.in_force();
    const std::vector<Partition> divisions = partitions_in_force(past);

    for (std::uint32_t id = 0; id < topology.links().size(); ++id) {
        const Link& link = topology.links()[id];
        LinkProperties properties = link.properties;
        bool own = link.up;
        bool from = true;
        bool to = true;
        for (const TimedEvent& timed : events) {
            if (const auto* change = std::get_if<LinkChange>(&timed.event)) {
                if (change->link == LinkId{id}) properties = merged(properties, change->patch);
            } else if (const auto* on = std::get_if<LinkUp>(&timed.event)) {
                if (on->link == LinkId{id}) own = true;
            } else if (const auto* off = std::get_if<LinkDown>(&timed.event)) {
                if (off->link == LinkId{id}) own = false;
            } else if (const auto* joins = std::get_if<VertexUp>(&timed.event)) {
                if (joins->vertex == link.from) from = true;
                if (joins->vertex == link.to) to = true;
            } else if (const auto* leaves = std::get_if<VertexDown>(&timed.event)) {
                if (leaves->vertex == link.from) from = false;
                if (leaves->vertex == link.to) to = false;
            }
        }
        bool apart = false;
        for (const Partition& partition : divisions) {
            const std::uint32_t a = side_of(partition, link.from);
            const std::uint32_t b = side_of(partition, link.to);
            if (a != 0 && b != 0 && a != b) apart = true;
        }
        links_.push_back(LinkState{properties, own && from && to && !apart});
    }

    std::set<Sides> once;
    for (const Partition& partition : divisions) {
        Sides sides;
        for (std::uint32_t h = 0; h < topology.hosts().size(); ++h) {
            sides.push_back(side_of(partition, VertexId{h}));
        }
        if (std::ranges::any_of(sides, [](std::uint32_t s) { return s != 0; })) once.insert(sides);
    }
    partitions_.assign(once.begin(), once.end());
}

}  // namespace pleat::testing
