#include "node/sharing/flow_paths.hh"

#include <algorithm>
#include <utility>

#include "model/fair_share.hh"

namespace pleat {

FlowPaths::FlowPaths(const PathFolder& folder, std::shared_ptr<const PathTable> table)
    : folder_{&folder}, table_{std::move(table)} {
    PLEAT_ASSERT(table_ != nullptr);
    note_links();
}

void FlowPaths::note_links() {
    latencies_.clear();
    bandwidths_.clear();
    for (const LinkState& link : table_->links()) {
        latencies_.push_back(link.up ? link.properties.latency : kDown);
        bandwidths_.push_back(link.properties.bandwidth);
    }
}

Duration FlowPaths::latency(const std::vector<LinkId>& links) const {
    Duration sum{};
    for (const LinkId link : links) sum += latencies_[link.value];
    return sum;
}

void FlowPaths::use(std::shared_ptr<const PathTable> table) {
    PLEAT_ASSERT(table != nullptr);
    const std::shared_ptr<const PathTable> before = std::exchange(table_, std::move(table));
    note_links();
    if (before->partitions() != table_->partitions()) {
        found_.clear();
        return;
    }
    for (auto known = found_.begin(); known != found_.end();) {
        auto& [flow, path] = *known;
        if (path && goes_the_same_way(flow, *path, *before)) {
            measure(*path);
            ++known;
        } else {
            known = found_.erase(known);
        }
    }
}

// Trees are shared between tables that agree on them. The way between two bridges is the
// tree's; the links at both ends are the hosts' only ones.
bool FlowPaths::goes_the_same_way(FlowKey flow, const FlowPath& path,
                                  const PathTable& before) const {
    if (path.back.empty()) return false;
    for (const HostId host : {flow.source, flow.destination}) {
        const VertexId vertex = Topology::vertex(host);
        if (folder_->topology().in_links(vertex).size() != 1) return false;
        const std::optional<TreeId> tree = folder_->tree_of(host);
        if (!tree || tree->value >= table_->trees().size() ||
            tree->value >= before.trees().size() ||
            table_->trees()[tree->value] != before.trees()[tree->value]) {
            return false;
        }
    }
    const auto up = [this](LinkId link) { return latencies_[link.value] != kDown; };
    return std::ranges::all_of(path.links, up) && std::ranges::all_of(path.back, up);
}

// All but the way.
void FlowPaths::measure(FlowPath& path) const {
    const Duration there = latency(path.links);
    path.rtt = path.back.empty() ? 2 * there : there + latency(path.back);
    path.weight = flow_weight(path.rtt);
    path.bandwidth = Bandwidth::unlimited();
    for (const LinkId link : path.links) {
        path.bandwidth = std::min(path.bandwidth, bandwidths_[link.value]);
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
    auto links = folder_->links(*table_, flow.source, flow.destination);
    if (!links) return nullptr;
    auto back = folder_->links(*table_, flow.destination, flow.source);
    entry.emplace();
    entry->links = *std::move(links);
    if (back) entry->back = *std::move(back);
    measure(*entry);
    return &*entry;
}

std::vector<double> FlowPaths::capacities() const {
    std::vector<double> capacities;
    capacities.reserve(bandwidths_.size());
    for (const Bandwidth bandwidth : bandwidths_) {
        capacities.push_back(bandwidth.is_unlimited()
                                 ? kUnlimitedRate
                                 : static_cast<double>(bandwidth.bits_per_second()));
    }
    return capacities;
}

}  // namespace pleat
