#include "model/entitlements.hh"

#include <algorithm>
#include <tuple>
#include <utility>

namespace pleat {

namespace {

constexpr std::uint32_t kNotAsked = 0xffffffff;

}  // namespace

Entitlements::Entitlements(std::span<const double> capacities, std::span<const FlowDemand> flows,
                           std::span<const double> rates)
    : Entitlements{capacities, flows, rates, {}} {}

Entitlements::Entitlements(std::span<const double> capacities, std::span<const FlowDemand> flows,
                           std::span<const double> rates, std::span<const LinkId> only)
    : capacities_{capacities}, flows_{flows}, rates_{rates} {
    PLEAT_ASSERT(flows.size() == rates.size());
    levels_.reserve(flows.size());
    for (std::size_t i = 0; i < flows.size(); ++i) levels_.push_back(rates[i] / flows[i].weight);
    collect(only);
    first_use_.assign(capacities_.size(), kNotAsked);
}

// Of equal levels the first flow.
std::vector<std::uint32_t> Entitlements::by_level() const {
    std::vector<std::pair<double, std::uint32_t>> order;
    order.reserve(levels_.size());
    for (std::uint32_t i = 0; i < levels_.size(); ++i) order.emplace_back(levels_[i], i);
    std::sort(order.begin(), order.end());
    std::vector<std::uint32_t> result;
    result.reserve(order.size());
    for (const auto& [level, flow] : order) result.push_back(flow);
    return result;
}

// Counts the flows of each link, then puts them side by side, all links' in one go through the
// flows by level.
void Entitlements::collect(std::span<const LinkId> only) {
    const auto matters = [this, only](LinkId link) {
        if (capacities_[link.value] == kUnlimitedRate) return false;
        return only.empty() || std::find(only.begin(), only.end(), link) != only.end();
    };
    first_.assign(capacities_.size() + 1, 0);
    weights_.assign(capacities_.size(), 0.0);
    for (const FlowDemand& flow : flows_) {
        for (const LinkId link : flow.links) {
            if (!matters(link)) continue;
            ++first_[link.value + 1];
            weights_[link.value] += flow.weight;
        }
    }
    for (std::size_t link = 0; link < capacities_.size(); ++link) first_[link + 1] += first_[link];
    flows_of_links_.resize(first_.back());
    std::vector<std::uint32_t> next(first_.begin(), first_.end() - 1);
    for (const std::uint32_t flow : by_level()) {
        for (const LinkId link : flows_[flow].links) {
            if (matters(link)) flows_of_links_[next[link.value]++] = flow;
        }
    }
}

// Valid until the next call.
std::span<const Entitlements::Use> Entitlements::uses_of(LinkId link) {
    const std::uint32_t first = first_[link.value];
    const std::uint32_t last = first_[link.value + 1];
    std::uint32_t& first_use = first_use_[link.value];
    if (first_use == kNotAsked) {
        first_use = static_cast<std::uint32_t>(uses_.size());
        double rate = 0.0;
        double weight = 0.0;
        for (std::uint32_t k = first; k < last; ++k) {
            const std::uint32_t flow = flows_of_links_[k];
            const Use& use = uses_.emplace_back(
                Use{levels_[flow], rates_[flow], flows_[flow].weight, rate, weight, flow});
            rate += use.rate;
            weight += use.weight;
        }
    }
    return std::span{uses_}.subspan(first_use, last - first);
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
