// The canonical order of a timeline.
#include "model/scenario.hh"

#include <algorithm>
#include <tuple>

namespace pleat {

namespace {

// What tells an overlay from others without its number, which is only the order in which
// a reader met them.
using OverlayContent = std::vector<std::tuple<ExperimentTime, Event, Phase, std::string>>;

// Numbers overlays 1, 2, … in the order of their contents; equal ones are interchangeable.
void renumber_overlays(std::vector<TimedEvent>& timeline) {
    std::map<std::uint32_t, OverlayContent> contents;
    for (const TimedEvent& event : timeline) {
        if (event.phase == Phase::lasting) continue;
        contents[event.overlay].emplace_back(event.at, event.event, event.phase, event.text);
    }
    if (contents.empty()) return;

    std::vector<std::pair<OverlayContent, std::uint32_t>> order;
    for (auto& [number, content] : contents) {
        std::ranges::sort(content, std::less<>{});
        order.emplace_back(std::move(content), number);
    }
    std::ranges::sort(order, std::less<>{});

    std::map<std::uint32_t, std::uint32_t> number_of;
    for (std::uint32_t i = 0; i < order.size(); ++i) number_of[order[i].second] = i + 1;
    for (TimedEvent& event : timeline) {
        event.overlay = event.phase == Phase::lasting ? 0 : number_of[event.overlay];
    }
}

}  // namespace

std::vector<TimedEvent> canonical(std::vector<TimedEvent> timeline) {
    renumber_overlays(timeline);
    std::ranges::sort(timeline, std::less<>{});
    return timeline;
}

}  // namespace pleat
