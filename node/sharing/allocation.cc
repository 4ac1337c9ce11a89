#include "node/sharing/allocation.hh"

#include <algorithm>
#include <bit>
#include <cmath>

#include "model/mixed_hash.hh"

namespace pleat {

namespace {

// Rounds down: a shaper may be a hair slow, never fast. A share that is a whole number
// but for the last bits of the division is that number.
Bandwidth bandwidth_of(double bits_per_second) {
    constexpr double kLastBits = 1.0 + 1e-12;
    constexpr double kMost = 9e18;
    if (bits_per_second >= kMost) return Bandwidth::unlimited();
    const double whole = std::floor(bits_per_second * kLastBits);
    return Bandwidth::bits_per_second(std::max<std::int64_t>(1, static_cast<std::int64_t>(whole)));
}

}  // namespace

Allocation::Allocation(FlowPaths& paths, std::span<const FlowState> states)
    : capacities_{paths.capacities()} {
    for (const FlowState& state : states) {
        const FlowPath* const path = paths.find(state.flow);
        if (path == nullptr) continue;
        PLEAT_ASSERT(flows_.empty() || flows_.back() < state.flow);
        flows_.push_back(state.flow);
        demands_.push_back({path->links, path->weight, state.state.rate()});
    }
    rates_ = FairShare{capacities_}.solve(demands_);
    entitlements_.emplace(capacities_, demands_, rates_);
}

std::uint64_t Allocation::digest() const {
    std::uint64_t hash = kEmptyHash;
    for (std::size_t i = 0; i < flows_.size(); ++i) {
        hash =
            mixed(hash, std::uint64_t{flows_[i].source.value} << 32 | flows_[i].destination.value);
        hash = mixed(hash, std::bit_cast<std::uint64_t>(rates_[i]));
    }
    return hash;
}

std::size_t Allocation::index(FlowKey flow) const {
    const auto found = std::lower_bound(flows_.begin(), flows_.end(), flow);
    if (found == flows_.end() || *found != flow) return flows_.size();
    return static_cast<std::size_t>(found - flows_.begin());
}

Bandwidth Allocation::allowed(FlowKey flow, const FlowPath& path) const {
    const std::size_t i = index(flow);
    const bool greedy = i < flows_.size() && demands_[i].demand == kUnlimitedRate;
    const double rate = greedy ? rates_[i] : entitlements_->of(path.links, path.weight, i);
    return std::min(bandwidth_of(rate), path.bandwidth);
}

}  // namespace pleat
