#include "model/fair_share.hh"

#include <algorithm>
#include <numeric>
#include <queue>
#include <tuple>

#include "model/entitlements.hh"

namespace pleat {

namespace {

constexpr std::uint32_t kNoLoad = 0xffffffff;

// A link in the heap, by the level it had when it was put there.
struct HeapEntry {
    double level;
    std::uint32_t load;

    // The standard heap has its largest on top; we want the lowest level there. Loads
    // are numbered in flow order, so that ties are the same everywhere.
    friend bool operator<(const HeapEntry& a, const HeapEntry& b) {
        return std::tie(b.level, b.load) < std::tie(a.level, a.load);
    }
};

// The flows with a finite demand, by the level at which it is met.
std::vector<std::uint32_t> by_demand_level(std::span<const FlowDemand> flows) {
    std::vector<std::uint32_t> order;
    for (std::uint32_t i = 0; i < flows.size(); ++i) {
        if (flows[i].demand < kUnlimitedRate) order.push_back(i);
    }
    const auto level = [flows](std::uint32_t i) { return flows[i].demand / flows[i].weight; };
    std::sort(order.begin(), order.end(), [&level](std::uint32_t a, std::uint32_t b) {
        return std::tuple{level(a), a} < std::tuple{level(b), b};
    });
    return order;
}

}  // namespace

double flow_weight(Duration rtt) {
    constexpr Duration kShortest = std::chrono::microseconds{100};
    return 1e9 / static_cast<double>(std::max(rtt, kShortest).count());
}

FairShare::FairShare(std::vector<double> capacities)
    : capacities_{std::move(capacities)}, load_of_link_(capacities_.size(), kNoLoad) {
    for (const double capacity : capacities_) PLEAT_ASSERT(capacity > 0.0);
}

void FairShare::set_capacity(LinkId link, double bits_per_second) {
    PLEAT_ASSERT(link.value < capacities_.size());
    PLEAT_ASSERT(bits_per_second > 0.0);
    capacities_[link.value] = bits_per_second;
}

// Finds the limited links that matter, and for each the flows that cross it.
void FairShare::collect_loads(std::span<const FlowDemand> flows) {
    for (const Load& load : loads_) load_of_link_[load.link.value] = kNoLoad;
    loads_.clear();
    loads_of_flows_.clear();
    first_load_.assign(1, 0);
    for (const FlowDemand& flow : flows) {
        PLEAT_ASSERT(flow.weight > 0.0);
        PLEAT_ASSERT(flow.demand >= 0.0);
        for (const LinkId link : flow.links) {
            PLEAT_ASSERT(link.value < capacities_.size());
            if (capacities_[link.value] == kUnlimitedRate) continue;
            std::uint32_t& slot = load_of_link_[link.value];
            if (slot == kNoLoad) {
                slot = static_cast<std::uint32_t>(loads_.size());
                loads_.push_back({link, capacities_[link.value], 0.0, 0.0, 0, 0, 0});
            }
            loads_[slot].weight += flow.weight;
            ++loads_[slot].count;
            loads_of_flows_.push_back(slot);
        }
        first_load_.push_back(static_cast<std::uint32_t>(loads_of_flows_.size()));
    }
    std::uint32_t next = 0;
    for (Load& load : loads_) {
        load.first = load.last = next;
        load.total = load.weight;
        next += load.count;
    }
    flows_of_links_.resize(next);
    for (std::uint32_t i = 0; i < flows.size(); ++i) {
        for (const std::uint32_t slot : loads_of(i)) flows_of_links_[loads_[slot].last++] = i;
    }
}

void FairShare::freeze(std::uint32_t flow, double weight, double rate) {
    for (const std::uint32_t slot : loads_of(flow)) {
        Load& load = loads_[slot];
        load.remaining = std::max(0.0, load.remaining - rate);
        load.weight -= weight;
        if (--load.count == 0) load.weight = 0.0;
    }
}

// The level of all links and demands rises together; the lowest of the links' levels
// and the demands' levels is where the next flow stops. A link's level only rises when
// flows stop below it, so that a stale entry of the heap is too low, never too high (but for
// the last bits): it is corrected when it comes to the top.
std::vector<double> FairShare::solve(std::span<const FlowDemand> flows) {
    collect_loads(flows);
    std::vector<HeapEntry> entries;
    entries.reserve(loads_.size());
    for (std::uint32_t i = 0; i < loads_.size(); ++i) {
        entries.push_back({loads_[i].remaining / loads_[i].weight, i});
    }
    std::priority_queue<HeapEntry> heap{std::less<HeapEntry>{}, std::move(entries)};

    std::vector<double> rates(flows.size(), kUnlimitedRate);
    std::vector<char> frozen(flows.size(), 0);
    const auto stop = [&](std::uint32_t i, double rate) {
        rates[i] = rate;
        frozen[i] = 1;
        freeze(i, flows[i].weight, rate);
    };
    const std::vector<std::uint32_t> demands = by_demand_level(flows);
    auto next_demand = demands.begin();
    while (true) {
        while (!heap.empty()) {
            const HeapEntry top = heap.top();
            const Load& load = loads_[top.load];
            const double level = load.count > 0 ? load.remaining / load.weight : 0.0;
            if (load.count > 0 && level <= top.level) break;
            heap.pop();
            if (load.count > 0) heap.push({level, top.load});
        }
        while (next_demand != demands.end() && frozen[*next_demand] != 0) ++next_demand;
        const double full_at = heap.empty() ? kUnlimitedRate : heap.top().level;
        if (next_demand != demands.end()) {
            const FlowDemand& flow = flows[*next_demand];
            if (flow.demand / flow.weight <= full_at) {
                stop(*next_demand, flow.demand);
                continue;
            }
        }
        if (heap.empty()) break;
        const double level = heap.top().level;
        const Load full = loads_[heap.top().load];
        heap.pop();
        for (std::uint32_t k = full.first; k < full.last; ++k) {
            const std::uint32_t i = flows_of_links_[k];
            if (frozen[i] == 0) stop(i, level * flows[i].weight);
        }
    }
    return rates;
}

std::span<const std::uint32_t> FairShare::flows_of(LinkId link) const {
    const std::uint32_t slot = load_of_link_[link.value];
    if (slot == kNoLoad) return {};
    const Load& load = loads_[slot];
    return std::span{flows_of_links_}.subspan(load.first, load.last - load.first);
}

double FairShare::weight_of(LinkId link) const {
    const std::uint32_t slot = load_of_link_[link.value];
    return slot == kNoLoad ? 0.0 : loads_[slot].total;
}

double FairShare::entitlement(std::span<const FlowDemand> flows, std::span<const double> rates,
                              std::span<const LinkId> links, double weight,
                              std::size_t except) const {
    return Entitlements{*this, flows, rates}.of(links, weight, except);
}

}  // namespace pleat
