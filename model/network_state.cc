#include "model/network_state.hh"

#include <algorithm>
#include <functional>

#include "base/overload.hh"

namespace pleat {

namespace {

bool separates(const Sides& sides, VertexId a, VertexId b) {
    const std::uint32_t side = sides[a.value];
    const std::uint32_t other = sides[b.value];
    return side != 0 && other != 0 && side != other;
}

void sort_once(std::vector<Sides>& all) {
    std::ranges::sort(all);
    const auto rest = std::ranges::unique(all);
    all.erase(rest.begin(), rest.end());
}

}  // namespace

// Lays a value over the others, or takes it off.
template <typename T>
void NetworkState::lay(Overlays<T>& overlays, const TimedEvent& timed, T value) {
    const bool by_hand = timed.phase == Phase::by_hand;
    Overlay<T> layer{timed.overlay, by_hand, std::move(value)};
    if (by_hand || timed.phase == Phase::begin) {
        overlays.push_back(std::move(layer));
        return;
    }
    const auto found = std::ranges::find(overlays, layer);
    if (found != overlays.end()) overlays.erase(found);
}

template <typename T>
void NetworkState::take_off_what_hands_laid(Overlays<T>& overlays) {
    std::erase_if(overlays, [](const Overlay<T>& layer) { return layer.by_hand; });
}

NetworkState::NetworkState(const Topology& topology)
    : topology_{&topology}, link_up_(topology.links().size()), vertex_up_(topology.vertex_count()) {
    links_.reserve(topology.links().size());
    layers_.reserve(topology.links().size());
    for (std::size_t i = 0; i < topology.links().size(); ++i) {
        const Link& link = topology.links()[i];
        links_.push_back(LinkState{link.properties, link.up});
        layers_.push_back(Layers{link.properties, {}});
        link_up_[i].lasting = link.up;
    }
}

std::vector<LinkId> NetworkState::apply(std::span<const TimedEvent> simultaneous) {
    std::vector<const TimedEvent*> order;
    order.reserve(simultaneous.size());
    for (const TimedEvent& timed : simultaneous) {
        if (changes_topology(timed.event)) order.push_back(&timed);
    }
    const auto key = [](const TimedEvent* timed) {
        return std::pair<bool, const TimedEvent&>{!std::holds_alternative<Heal>(timed->event),
                                                  *timed};
    };
    std::ranges::sort(order, std::less<>{}, key);

    touched_.clear();
    for (const TimedEvent* timed : order) apply_one(*timed);

    std::ranges::sort(touched_);
    const auto rest = std::ranges::unique(touched_);
    touched_.erase(rest.begin(), rest.end());

    std::vector<LinkId> changed;
    for (const LinkId id : touched_) {
        const LinkState now = effective(id);
        if (now == links_[id.value]) continue;
        links_[id.value] = now;
        changed.push_back(id);
    }
    return changed;
}

void NetworkState::apply_one(const TimedEvent& timed) {
    const auto patch = [&](const LinkChange& change) {
        Layers& layers = layers_[change.link.value];
        if (timed.phase == Phase::lasting) {
            layers.lasting = merged(layers.lasting, change.patch);
            for (auto& layer : layers.overlays) {
                if (layer.by_hand) layer.value = without(layer.value, change.patch);
            }
        } else {
            lay(layers.overlays, timed, change.patch);
        }
        touched_.push_back(change.link);
    };
    const auto link = [&](LinkId id, bool on) {
        turn(link_up_[id.value], timed, on);
        touched_.push_back(id);
    };
    const auto vertex = [&](VertexId v, bool on) {
        turn(vertex_up_[v.value], timed, on);
        touch_links_of(v);
    };
    std::visit(Overload{
                   patch,
                   [&](const LinkUp& e) { link(e.link, true); },
                   [&](const LinkDown& e) { link(e.link, false); },
                   [&](const VertexUp& e) { vertex(e.vertex, true); },
                   [&](const VertexDown& e) { vertex(e.vertex, false); },
                   [&](const Partition& e) { divide(timed, e); },
                   [&](const Heal&) { heal(timed); },
                   [&](const LinkReset& e) {
                       take_off_what_hands_laid(layers_[e.link.value].overlays);
                       take_off_what_hands_laid(link_up_[e.link.value].overlays);
                       touched_.push_back(e.link);
                   },
                   [](const HostAction&) {},
                   [](const Execute&) {},
                   [](const Mark&) {},
                   [](const Quit&) {},
               },
               timed.event);
}

void NetworkState::turn(Switch& which, const TimedEvent& timed, bool on) {
    if (timed.phase == Phase::lasting) {
        which.lasting = on;
        take_off_what_hands_laid(which.overlays);
    } else {
        lay(which.overlays, timed, on);
    }
}

void NetworkState::touch_links_of(VertexId v) {
    for (const LinkId id : topology_->out_links(v)) touched_.push_back(id);
    for (const LinkId id : topology_->in_links(v)) touched_.push_back(id);
}

void NetworkState::divide(const TimedEvent& timed, const Partition& partition) {
    Sides sides(topology_->vertex_count(), 0);
    std::uint32_t number = 0;
    for (const auto& members : partition.sides) {
        ++number;
        for (const VertexId v : members) sides[v.value] = number;
    }
    if (timed.phase == Phase::lasting) {
        divisions_.push_back(std::move(sides));
    } else {
        lay(division_overlays_, timed, std::optional{std::move(sides)});
    }
    refresh_separations();
}

void NetworkState::heal(const TimedEvent& timed) {
    if (timed.phase == Phase::lasting || timed.phase == Phase::by_hand) {
        divisions_.clear();
        std::erase_if(division_overlays_,
                      [](const auto& layer) { return layer.value.has_value(); });
    } else {
        lay(division_overlays_, timed, std::optional<Sides>{});
    }
    refresh_separations();
}

void NetworkState::refresh_separations() {
    std::vector<Sides> now = divisions_;
    for (const auto& layer : division_overlays_) {
        if (layer.value) {
            now.push_back(*layer.value);
        } else {
            now.clear();
        }
    }
    sort_once(now);

    std::vector<Sides> differing;
    std::ranges::set_symmetric_difference(separations_, now, std::back_inserter(differing));
    for (const Sides& sides : differing) {
        for (std::uint32_t v = 0; v < sides.size(); ++v) {
            if (sides[v] != 0) touch_links_of(VertexId{v});
        }
    }
    separations_ = std::move(now);

    partitions_.clear();
    for (const Sides& sides : separations_) {
        const auto hosts_end =
            sides.begin() + static_cast<std::ptrdiff_t>(topology_->hosts().size());
        Sides hosts(sides.begin(), hosts_end);
        const bool concerned = std::ranges::any_of(hosts, [](std::uint32_t s) { return s != 0; });
        if (concerned) partitions_.push_back(std::move(hosts));
    }
    sort_once(partitions_);
}

LinkState NetworkState::effective(LinkId id) const {
    const Layers& layers = layers_[id.value];
    LinkState state{layers.lasting, link_up_[id.value].on()};
    for (const auto& layer : layers.overlays) {
        state.properties = merged(state.properties, layer.value);
    }
    const Link& link = topology_->link(id);
    state.up = state.up && vertex_up_[link.from.value].on() && vertex_up_[link.to.value].on();
    for (const Sides& sides : separations_) {
        if (separates(sides, link.from, link.to)) state.up = false;
    }
    return state;
}

}  // namespace pleat
