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
    : known_paths_{paths}, solver_{paths.capacities()} {
    flows_.reserve(states.size());
    paths_.reserve(states.size());
    demands_.reserve(states.size());
    for (const FlowState& state : states) {
        const FlowPath* const path = paths.find(state.flow);
        if (path == nullptr) continue;
        PLEAT_ASSERT(flows_.empty() || flows_.back() < state.flow);
        flows_.push_back(state.flow);
        paths_.push_back(path);
        demands_.push_back({path->links(), path->weight, state.state.rate()});
    }
    rates_ = solver_.solve(demands_);
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

std::size_t Allocation::index(FlowKey flow) {
    if (next_ >= flows_.size() || flows_[next_] != flow) {
        const auto found = std::lower_bound(flows_.begin(), flows_.end(), flow);
        if (found == flows_.end() || *found != flow) return flows_.size();
        next_ = static_cast<std::size_t>(found - flows_.begin());
    }
    return next_++;
}

std::optional<Allocation::PathTerms> Allocation::terms(FlowKey flow) {
    const std::size_t i = index(flow);
    const bool known = i < flows_.size();
    const FlowPath* const path = known ? paths_[i] : known_paths_.find(flow);
    if (path == nullptr) return std::nullopt;
    double rate = 0.0;
    if (known && demands_[i].demand == kUnlimitedRate) {
        rate = rates_[i];
    } else {
        if (!entitlements_) entitlements_.emplace(solver_, demands_, rates_);
        rate = entitlements_->of(path->links(), path->weight, i);
    }
    return PathTerms{{std::min(bandwidth_of(rate), path->bandwidth), path->rtt}, path->bandwidth};
}

}  // namespace pleat
