#include "node/sharing/flow_paths.hh"

#include <algorithm>

#include "model/fair_share.hh"

namespace pleat {

namespace {

// Do all flows go the same ways in the same time, whatever else has changed?
bool same_ways(const PathTable& a, const PathTable& b) {
    const auto same = [](const LinkState& x, const LinkState& y) {
        return x.up == y.up && x.properties.latency == y.properties.latency;
    };
    return std::ranges::equal(a.trees(), b.trees()) && a.partitions() == b.partitions() &&
           std::ranges::equal(a.links(), b.links(), same);
}

Bandwidth narrowest(const PathTable& table, std::span<const LinkId> links) {
    Bandwidth narrowest = Bandwidth::unlimited();
    for (const LinkId link : links) {
        narrowest = std::min(narrowest, table.link(link).properties.bandwidth);
    }
    return narrowest;
}

}  // namespace

FlowPaths::FlowPaths(const PathFolder& folder, std::shared_ptr<const PathTable> table)
    : folder_{&folder}, table_{std::move(table)} {
    PLEAT_ASSERT(table_ != nullptr);
}

void FlowPaths::use(std::shared_ptr<const PathTable> table) {
    PLEAT_ASSERT(table != nullptr);
    const bool same = same_ways(*table_, *table);
    table_ = std::move(table);
    if (!same) {
        found_.clear();
        return;
    }
    for (auto& [flow, path] : found_) {
        if (path) path->bandwidth = narrowest(*table_, path->links);
    }
}

bool FlowPaths::possible(FlowKey flow) const {
    const std::size_t hosts = folder_->topology().hosts().size();
    return flow.source.value < hosts && flow.destination.value < hosts &&
           flow.source != flow.destination;
}

const FlowPath* FlowPaths::find(FlowKey flow) {
    const auto known = found_.find(flow);
    if (known != found_.end()) return known->second ? &*known->second : nullptr;
    std::optional<FlowPath>& entry = found_[flow];
    if (!possible(flow)) return nullptr;
    std::optional<Path> path = folder_->fold(*table_, flow.source, flow.destination);
    if (!path) return nullptr;
    entry = FlowPath{std::move(path->links), path->rtt, flow_weight(path->rtt), path->bandwidth};
    return &*entry;
}

std::vector<double> FlowPaths::capacities() const {
    std::vector<double> capacities;
    capacities.reserve(table_->links().size());
    for (const LinkState& link : table_->links()) {
        const Bandwidth bandwidth = link.properties.bandwidth;
        capacities.push_back(bandwidth.is_unlimited()
                                 ? kUnlimitedRate
                                 : static_cast<double>(bandwidth.bits_per_second()));
    }
    return capacities;
}

}  // namespace pleat
