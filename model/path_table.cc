#include "model/path_table.hh"

#include <algorithm>
#include <string>

#include "model/table_hash.hh"

namespace pleat {

namespace {

// How many links of `host` lead to bridges.
std::size_t uplinks(const Topology& topology, VertexId host) {
    return static_cast<std::size_t>(std::ranges::count_if(
        topology.out_links(host),
        [&topology](LinkId id) { return !topology.is_host(topology.link(id).to); }));
}

std::string refusal(const PathTableDelta& delta, const std::string& why) {
    return "path table (" + std::to_string(delta.version) + ", " +
           std::to_string(delta.epoch.value) + "): " + why;
}

template <typename Change>
bool strictly_ascending(const std::vector<Change>& changes, auto key) {
    return std::ranges::adjacent_find(changes, [&key](const Change& a, const Change& b) {
               return !(key(a) < key(b));
           }) == changes.end();
}

}  // namespace

std::vector<VertexId> tree_sources(const Topology& topology) {
    std::vector<VertexId> sources;
    std::vector<bool> shared(topology.bridges().size(), false);
    for (std::uint32_t h = 0; h < topology.hosts().size(); ++h) {
        const VertexId host = Topology::vertex(HostId{h});
        const std::size_t count = uplinks(topology, host);
        if (count > 1) sources.push_back(host);
        if (count != 1) continue;
        for (const LinkId id : topology.out_links(host)) {
            const VertexId to = topology.link(id).to;
            if (!topology.is_host(to)) shared[topology.bridge_of(to).value] = true;
        }
    }
    for (std::uint32_t b = 0; b < shared.size(); ++b) {
        if (shared[b]) sources.push_back(topology.vertex(BridgeId{b}));
    }
    return sources;
}

PathTable::PathTable(std::uint32_t version, EpochId epoch, std::vector<LinkState> links,
                     std::vector<Tree> trees, std::vector<Sides> partitions)
    : version_{version},
      epoch_{epoch},
      links_{std::make_shared<const std::vector<LinkState>>(std::move(links))},
      trees_{std::move(trees)},
      partitions_{std::move(partitions)} {
    const std::size_t bridges = trees_.empty() ? 0 : trees_.front()->size();
    hash_ = sizes_hash(links_->size(), trees_.size(), bridges) + partitions_hash(partitions_);
    for (std::uint32_t id = 0; id < links_->size(); ++id) {
        hash_ += link_hash(LinkId{id}, (*links_)[id]);
    }
    for (std::uint32_t t = 0; t < trees_.size(); ++t) {
        PLEAT_ASSERT(trees_[t] && trees_[t]->size() == bridges);
        hash_ += tree_hash(TreeId{t}, *trees_[t]);
    }
}

bool PathTable::together(HostId a, HostId b) const {
    return std::ranges::none_of(partitions_, [a, b](const Sides& sides) {
        // A table from the wire may name fewer hosts: the others are not concerned.
        const auto side = [&sides](HostId h) {
            return h.value < sides.size() ? sides[h.value] : 0;
        };
        return side(a) != 0 && side(b) != 0 && side(a) != side(b);
    });
}

Result<PathTable> PathTable::with(const PathTableDelta& delta) const {
    if (delta.base_hash != hash_) {
        return fail(refusal(delta, "is for another table than (" + std::to_string(version_) + ", " +
                                       std::to_string(epoch_.value) + ")"));
    }
    const std::size_t bridges = trees_.empty() ? 0 : trees_.front()->size();
    if (!strictly_ascending(delta.links, [](const LinkStateChange& c) { return c.link; })) {
        return fail(refusal(delta, "names links out of order"));
    }
    if (!strictly_ascending(delta.parents,
                            [](const TreeChange& c) { return std::pair{c.tree, c.bridge}; })) {
        return fail(refusal(delta, "names parents out of order"));
    }

    PathTable next = *this;
    next.version_ = delta.version;
    next.epoch_ = delta.epoch;

    if (!delta.links.empty()) {
        if (delta.links.back().link.value >= links_->size()) {
            return fail(refusal(delta, "names link " +
                                           std::to_string(delta.links.back().link.value) +
                                           ", there are " + std::to_string(links_->size())));
        }
        auto links = std::make_shared<std::vector<LinkState>>(*links_);
        for (const LinkStateChange& change : delta.links) {
            LinkState& state = (*links)[change.link.value];
            next.hash_ += link_hash(change.link, change.state) - link_hash(change.link, state);
            state = change.state;
        }
        next.links_ = std::move(links);
    }

    for (auto change = delta.parents.begin(); change != delta.parents.end();) {
        const TreeId tree = change->tree;
        if (tree.value >= trees_.size()) {
            return fail(refusal(delta, "names tree " + std::to_string(tree.value) + ", there are " +
                                           std::to_string(trees_.size())));
        }
        auto parents = std::make_shared<Parents>(*trees_[tree.value]);
        for (; change != delta.parents.end() && change->tree == tree; ++change) {
            if (change->bridge.value >= bridges ||
                (change->parent != kNoLink && change->parent.value >= links_->size())) {
                return fail(refusal(
                    delta, "gives bridge " + std::to_string(change->bridge.value) + " the parent " +
                               std::to_string(change->parent.value) + ", which is not there"));
            }
            LinkId& parent = (*parents)[change->bridge.value];
            next.hash_ += parent_hash(tree, change->bridge, change->parent) -
                          parent_hash(tree, change->bridge, parent);
            parent = change->parent;
        }
        next.trees_[tree.value] = std::move(parents);
    }

    if (delta.partitions) {
        next.hash_ += partitions_hash(*delta.partitions) - partitions_hash(partitions_);
        next.partitions_ = *delta.partitions;
    }
    if (next.hash_ != delta.hash) {
        return fail(refusal(delta, "does not lead to the table whose hash it carries"));
    }
    return next;
}

}  // namespace pleat
