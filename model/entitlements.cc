#include "model/entitlements.hh"

#include <algorithm>
#include <tuple>
#include <utility>

namespace pleat {

Entitlements::Entitlements(const FairShare& solver, std::span<const FlowDemand> flows,
                           std::span<const double> rates)
    : solver_{solver}, flows_{flows}, rates_{rates}, places_(solver.capacities().size()) {
    PLEAT_ASSERT(flows.size() == rates.size());
    levels_.reserve(flows.size());
    for (std::size_t i = 0; i < flows.size(); ++i) levels_.push_back(rates[i] / flows[i].weight);
}

// Valid until the next call. Of equal levels the first flow comes first.
std::span<const Entitlements::Use> Entitlements::uses_of(LinkId link) {
    Place& place = places_[link.value];
    if (!place.asked) {
        order_.clear();
        for (const std::uint32_t flow : solver_.flows_of(link)) {
            order_.emplace_back(levels_[flow], flow);
        }
        std::sort(order_.begin(), order_.end());
        place = {static_cast<std::uint32_t>(uses_.size()),
                 static_cast<std::uint32_t>(order_.size()), true};
        double rate = 0.0;
        double weight = 0.0;
        for (const auto& [level, flow] : order_) {
            uses_.push_back({level, rates_[flow], flows_[flow].weight, rate, weight, flow});
            rate += rates_[flow];
            weight += flows_[flow].weight;
        }
    }
    return std::span{uses_}.subspan(place.first, place.count);
}

// The flows of a link are by level, then by flow.
std::span<const Entitlements::Use>::iterator Entitlements::find(std::span<const Use> uses,
                                                                std::size_t flow) const {
    if (flow >= levels_.size()) return uses.end();
    const auto place = std::tuple{levels_[flow], static_cast<std::uint32_t>(flow)};
    const auto found = std::partition_point(uses.begin(), uses.end(), [&place](const Use& use) {
        return std::tuple{use.level, use.flow} < place;
    });
    return found != uses.end() && found->flow == flow ? found : uses.end();
}

// The level of the water at which the link is full: the flows below it keep their rate,
// those above and the new one have level x weight.
double Entitlements::level_of(double capacity, std::span<const Use> uses, double weight,
                              std::size_t except) const {
    const auto own = find(uses, except);
    const double own_rate = own == uses.end() ? 0.0 : own->rate;
    const double own_weight = own == uses.end() ? 0.0 : own->weight;
    const double total_weight = uses.back().weight_before + uses.back().weight;
    // The link's level if only the flows before `use` kept their rate.
    const auto full_before = [&](const Use& use) {
        const bool own_is_before = own != uses.end() && &*own < &use;
        const double kept = use.rate_before - (own_is_before ? own_rate : 0.0);
        const double still = total_weight - use.weight_before -
                             (own != uses.end() && !own_is_before ? own_weight : 0.0);
        return std::max(0.0, capacity - kept) / (still + weight);
    };
    // While the level is above the next flow's, that one keeps its rate too.
    const auto stop = std::partition_point(
        uses.begin(), uses.end(), [&](const Use& use) { return full_before(use) > use.level; });
    if (stop != uses.end()) return full_before(*stop);
    const double kept = uses.back().rate_before + uses.back().rate - own_rate;
    return std::max(0.0, capacity - kept) / weight;
}

// On a link the new flow has at least what it would have if all others took part in full: most
// links are ruled out by that.
double Entitlements::of(std::span<const LinkId> links, double weight, std::size_t except) {
    const auto at_least = [this, weight](LinkId link) {
        return weight * solver_.capacities()[link.value] / (solver_.weight_of(link) + weight);
    };
    LinkId narrowest{};
    double least = kUnlimitedRate;
    for (const LinkId link : links) {
        const double bound = at_least(link);
        if (bound >= least) continue;
        least = bound;
        narrowest = link;
    }
    if (least == kUnlimitedRate) return kUnlimitedRate;
    least = on(narrowest, weight, except);
    for (const LinkId link : links) {
        if (link == narrowest || at_least(link) >= least) continue;
        least = std::min(least, on(link, weight, except));
    }
    return least;
}

double Entitlements::on(LinkId link, double weight, std::size_t except) {
    const double capacity = solver_.capacities()[link.value];
    const std::span<const Use> uses = uses_of(link);
    return uses.empty() ? capacity : weight * level_of(capacity, uses, weight, except);
}

}  // namespace pleat
