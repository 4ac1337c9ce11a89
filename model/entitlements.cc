#include "model/entitlements.hh"

#include <algorithm>
#include <tuple>

namespace pleat {

Entitlements::Entitlements(std::span<const double> capacities, std::span<const FlowDemand> flows,
                           std::span<const double> rates)
    : capacities_{capacities} {
    PLEAT_ASSERT(flows.size() == rates.size());
    for (std::size_t i = 0; i < flows.size(); ++i) {
        for (const LinkId link : flows[i].links) add(link, flows[i], rates[i], i);
    }
    sort();
}

Entitlements::Entitlements(std::span<const double> capacities, std::span<const FlowDemand> flows,
                           std::span<const double> rates, std::span<const LinkId> only)
    : capacities_{capacities} {
    PLEAT_ASSERT(flows.size() == rates.size());
    for (std::size_t i = 0; i < flows.size(); ++i) {
        for (const LinkId link : flows[i].links) {
            if (std::find(only.begin(), only.end(), link) != only.end()) {
                add(link, flows[i], rates[i], i);
            }
        }
    }
    sort();
}

void Entitlements::add(LinkId link, const FlowDemand& flow, double rate, std::size_t index) {
    if (capacities_[link.value] == kUnlimitedRate) return;
    uses_[link].push_back(
        {rate / flow.weight, rate, flow.weight, 0.0, 0.0, static_cast<std::uint32_t>(index)});
}

void Entitlements::sort() {
    for (auto& [link, uses] : uses_) {
        std::sort(uses.begin(), uses.end(), [](const Use& a, const Use& b) {
            return std::tie(a.level, a.flow) < std::tie(b.level, b.flow);
        });
        double rate = 0.0;
        double weight = 0.0;
        for (Use& use : uses) {
            use.rate_before = rate;
            use.weight_before = weight;
            rate += use.rate;
            weight += use.weight;
        }
    }
}

// The level of the water at which the link is full: the flows below it keep their rate,
// those above and the new one have level x weight.
double Entitlements::level_of(double capacity, std::span<const Use> uses, double weight,
                              std::size_t except) const {
    const auto own = std::find_if(uses.begin(), uses.end(),
                                  [except](const Use& use) { return use.flow == except; });
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
    const auto stop =
        std::partition_point(uses.begin(), uses.end(),
                             [&](const Use& use) { return full_before(use) > use.level; });
    if (stop != uses.end()) return full_before(*stop);
    const double kept = uses.back().rate_before + uses.back().rate - own_rate;
    return std::max(0.0, capacity - kept) / weight;
}

double Entitlements::of(std::span<const LinkId> links, double weight, std::size_t except) const {
    double least = kUnlimitedRate;
    for (const LinkId link : links) {
        const double capacity = capacities_[link.value];
        if (capacity == kUnlimitedRate) continue;
        const auto uses = uses_.find(link);
        least = std::min(least, uses == uses_.end()
                                    ? capacity
                                    : weight * level_of(capacity, uses->second, weight, except));
    }
    return least;
}

}  // namespace pleat
