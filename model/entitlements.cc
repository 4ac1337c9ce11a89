#include "model/entitlements.hh"

#include <algorithm>
#include <tuple>

namespace pleat {

Entitlements::Entitlements(std::span<const double> capacities, std::span<const FlowDemand> flows,
                           std::span<const double> rates)
    : Entitlements{capacities, flows, rates, {}} {}

Entitlements::Entitlements(std::span<const double> capacities, std::span<const FlowDemand> flows,
                           std::span<const double> rates, std::span<const LinkId> only)
    : capacities_{capacities} {
    PLEAT_ASSERT(flows.size() == rates.size());
    collect(flows, rates, only);
    in_order_.assign(capacities_.size(), false);
}

// Counts the uses of each link, then puts them side by side.
void Entitlements::collect(std::span<const FlowDemand> flows, std::span<const double> rates,
                           std::span<const LinkId> only) {
    const auto matters = [this, only](LinkId link) {
        if (capacities_[link.value] == kUnlimitedRate) return false;
        return only.empty() || std::find(only.begin(), only.end(), link) != only.end();
    };
    first_.assign(capacities_.size() + 1, 0);
    for (const FlowDemand& flow : flows) {
        for (const LinkId link : flow.links) first_[link.value + 1] += matters(link) ? 1 : 0;
    }
    for (std::size_t link = 0; link < capacities_.size(); ++link) first_[link + 1] += first_[link];
    uses_.resize(first_.back());
    std::vector<std::uint32_t> next(first_.begin(), first_.end() - 1);
    levels_.resize(flows.size());
    weights_.assign(capacities_.size(), 0.0);
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const FlowDemand& flow = flows[i];
        levels_[i] = rates[i] / flow.weight;
        for (const LinkId link : flow.links) {
            if (!matters(link)) continue;
            weights_[link.value] += flow.weight;
            uses_[next[link.value]++] = {levels_[i], rates[i], flow.weight,
                                         0.0,        0.0,      static_cast<std::uint32_t>(i)};
        }
    }
}

std::span<const Entitlements::Use> Entitlements::uses_of(LinkId link) {
    const std::span<Use> uses =
        std::span{uses_}.subspan(first_[link.value], first_[link.value + 1] - first_[link.value]);
    if (in_order_[link.value]) return uses;
    in_order_[link.value] = true;
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
    return uses;
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
        return weight * capacities_[link.value] / (weights_[link.value] + weight);
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
    const double capacity = capacities_[link.value];
    const std::span<const Use> uses = uses_of(link);
    return uses.empty() ? capacity : weight * level_of(capacity, uses, weight, except);
}

}  // namespace pleat
