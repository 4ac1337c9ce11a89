#include "cli/placed_paths.hh"

#include <algorithm>

namespace pleat {

PlacedPaths::PlacedPaths(const PlacementChecked& placement) : machines_{placement.machines} {
    for (const WayInfo& way : placement.ways.ways) {
        if (way.quality) round_trips_[{way.from, way.to}] = way.quality->round_trips.least;
    }
}

PlacedPath PlacedPaths::of(FlowKey flow, Duration latency) const {
    PlacedPath placed{.source = machines_.at(flow.source.value),
                      .destination = machines_.at(flow.destination.value),
                      .real = {},
                      .added = latency};
    if (placed.is_on_one_machine()) return placed;
    const auto way = round_trips_.find(std::minmax(placed.source, placed.destination));
    if (way == round_trips_.end()) return placed;
    placed.real = way->second / 2;
    placed.added = std::max(latency - *placed.real, Duration::zero());
    placed.is_too_quick = *placed.real > latency;
    return placed;
}

}  // namespace pleat
