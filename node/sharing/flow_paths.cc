#include "node/sharing/flow_paths.hh"

#include <algorithm>
#include <utility>

#include "model/fair_share.hh"

namespace pleat {

namespace {

constexpr std::uint32_t kNoBridge = 0xffffffff;
// As few as this are not worth a look (2).
constexpr std::size_t kFew = 1000;

}  // namespace

FlowPaths::FlowPaths(const PathFolder& folder, std::shared_ptr<const PathTable> table)
    : folder_{&folder}, table_{std::move(table)} {
    PLEAT_ASSERT(table_ != nullptr);
    tree_since_.assign(table_->trees().size(), turn_);
    const Topology& topology = folder_->topology();
    for (const Link& link : topology.links()) {
        bridge_behind_.push_back(topology.is_host(link.to) ? kNoBridge
                                                           : topology.bridge_of(link.to).value);
    }
    for (std::uint32_t host = 0; host < topology.hosts().size(); ++host) {
        const std::size_t links = topology.in_links(Topology::vertex(HostId{host})).size();
        one_link_in_.push_back(links == 1 ? 1 : 0);
    }
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

void FlowPaths::use(std::shared_ptr<const PathTable> table) {
    PLEAT_ASSERT(table != nullptr);
    PLEAT_ASSERT(table->links().size() == bridge_behind_.size());
    forget_old();
    const std::shared_ptr<const PathTable> before = std::exchange(table_, std::move(table));
    ++turn_;
    asked_ = 0;
    tree_since_.resize(table_->trees().size(), turn_);
    const std::size_t both = std::min(before->trees().size(), table_->trees().size());
    for (std::size_t tree = 0; tree < both; ++tree) {
        if (before->trees()[tree] != table_->trees()[tree]) tree_since_[tree] = turn_;
    }
    note_links();
}

void FlowPaths::forget_old() {
    if (found_.size() <= kFew || asked_ >= found_.size() / 2) return;
    last_ = nullptr;
    ++erasures_;
    std::erase_if(found_, [this](const auto& known) { return known.second.turn != turn_; });
}

// The way between two bridges is the tree's; the links at both ends are the hosts' only ones.
bool FlowPaths::still_stands(FlowKey flow, const Entry& entry) const {
    const FlowPath& path = entry.path;
    if (!entry.leads || path.back().empty()) return false;
    if (one_link_in_[flow.source.value] == 0 || one_link_in_[flow.destination.value] == 0) {
        return false;
    }
    return table_->together(flow.source, flow.destination) &&
           way_stands(flow.source, path.links(), entry.turn) &&
           way_stands(flow.destination, path.back(), entry.turn);
}

bool FlowPaths::way_stands(HostId source, std::span<const LinkId> way, std::uint64_t since) const {
    const auto up = [this](LinkId link) { return latencies_[link.value] != kDown; };
    if (!up(way.front()) || !up(way.back())) return false;
    const std::optional<TreeId> tree = folder_->tree_of(source);
    if (!tree || tree->value >= table_->trees().size()) return false;
    if (tree_since_[tree->value] <= since) return true;
    const Parents& parents = *table_->trees()[tree->value];
    for (const LinkId link : way.first(way.size() - 1)) {
        const std::uint32_t bridge = bridge_behind_[link.value];
        if (bridge >= parents.size()) return false;
        const LinkId parent = parents[bridge];
        // A host's one link leads to the bridge where the tree begins.
        const bool uplink = link == way.front() && parent == kNoLink;
        if (parent != link && !uplink) return false;
    }
    return true;
}

Duration FlowPaths::latency(std::span<const LinkId> links) const {
    Duration sum{};
    for (const LinkId link : links) sum += latencies_[link.value];
    return sum;
}

// All but the way.
void FlowPaths::measure(FlowPath& path) const {
    const Duration there = latency(path.links());
    path.rtt = path.back().empty() ? 2 * there : there + latency(path.back());
    path.weight = flow_weight(path.rtt);
    path.bandwidth = Bandwidth::unlimited();
    for (const LinkId link : path.links()) {
        path.bandwidth = std::min(path.bandwidth, bandwidths_[link.value]);
    }
}

bool FlowPaths::possible(FlowKey flow) const {
    const std::size_t hosts = folder_->topology().hosts().size();
    return flow.source.value < hosts && flow.destination.value < hosts &&
           flow.source != flow.destination;
}

// False when no path leads there.
bool FlowPaths::walk(FlowKey flow, FlowPath& path) const {
    path = FlowPath{};
    if (!possible(flow)) return false;
    auto links = folder_->links(*table_, flow.source, flow.destination);
    if (!links) return false;
    path.there = links->size();
    path.both_ways = *std::move(links);
    if (const auto back = folder_->links(*table_, flow.destination, flow.source)) {
        path.both_ways.insert(path.both_ways.end(), back->begin(), back->end());
    }
    return true;
}

void FlowPaths::forget(FlowKey flow) {
    const auto found = found_.find(flow);
    if (found == found_.end()) return;
    if (found->second.turn == turn_) --asked_;
    last_ = nullptr;
    ++erasures_;
    found_.erase(found);
}

FlowPaths::Entry& FlowPaths::entry_of(FlowKey flow) {
    Entry* const last = std::exchange(last_, nullptr);
    const bool guess = last != nullptr && last->next != nullptr && last->next_since == erasures_;
    if (guess && last->next->flow == flow) return *(last_ = last->next);
    Entry& entry = found_[flow];
    entry.flow = flow;
    if (last != nullptr) {
        last->next = &entry;
        last->next_since = erasures_;
    }
    return *(last_ = &entry);
}

const FlowPath* FlowPaths::find(FlowKey flow) {
    Entry& entry = entry_of(flow);
    if (entry.turn != turn_) {
        if (!still_stands(flow, entry)) {
            entry.leads = walk(flow, entry.path);
            ++walks_;
        }
        if (entry.leads) measure(entry.path);
        entry.turn = turn_;
        ++asked_;
    }
    return entry.leads ? &entry.path : nullptr;
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
