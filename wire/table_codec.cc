// Path tables and deltas.
#include "wire/table_codec.hh"

#include <algorithm>
#include <utility>

#include "table.pb.h"
#include "wire/codec.hh"
#include "wire/parse.hh"
#include "wire/scenario_codec.hh"

namespace pleat::codec {

namespace {

// On the wire 0 is "no link" and n + 1 is link n: small numbers are short.
std::uint32_t parent_number(LinkId parent) {
    return parent.value + 1;
}

LinkId parent_link(std::uint32_t number) {
    return LinkId{number - 1};
}

static_assert(kNoLink.value + 1 == 0);

void put(const LinkState& state, proto::LinkState& out) {
    codec::put(state.properties, *out.mutable_properties());
    out.set_up(state.up);
}

LinkState link_state(const proto::LinkState& in, Refusal& refusal) {
    return {.properties = link_properties(in.properties(), refusal), .up = in.up()};
}

template <typename Partitions>
std::vector<Sides> partitions(const Partitions& in) {
    std::vector<Sides> result;
    for (const proto::Sides& sides : in) {
        result.emplace_back(sides.side_of_host().begin(), sides.side_of_host().end());
    }
    return result;
}

// Every entry is a link into its bridge, from a bridge or from the tree's own source,
// and no chain of entries comes back to where it was: who walks it arrives.
bool leads_to_source(const Parents& parents, const Topology& topology, VertexId source) {
    enum class Mark : std::uint8_t { unseen, on_the_way, arrives };
    std::vector<Mark> marks(parents.size(), Mark::unseen);
    std::vector<std::uint32_t> way;
    for (std::uint32_t start = 0; start < parents.size(); ++start) {
        std::uint32_t bridge = start;
        while (marks[bridge] == Mark::unseen) {
            marks[bridge] = Mark::on_the_way;
            way.push_back(bridge);
            const LinkId parent = parents[bridge];
            if (parent == kNoLink) break;
            if (parent.value >= topology.links().size()) return false;
            const Link& link = topology.link(parent);
            if (link.to != topology.vertex(BridgeId{bridge})) return false;
            if (topology.is_host(link.from)) {
                if (link.from != source) return false;
                break;
            }
            bridge = topology.bridge_of(link.from).value;
            if (marks[bridge] == Mark::on_the_way) return false;
            if (parents[bridge] == kNoLink && link.from != source) return false;
        }
        for (const std::uint32_t seen : way) marks[seen] = Mark::arrives;
        way.clear();
    }
    return true;
}

std::vector<PathTable::Tree> trees(const proto::PathTable& in, const Topology& topology,
                                   Refusal& refusal) {
    std::vector<PathTable::Tree> result;
    const std::vector<VertexId> sources = tree_sources(topology);
    if (!refusal.require(std::cmp_equal(in.trees_size(), sources.size()),
                         "not one tree to each source")) {
        return result;
    }
    for (std::size_t i = 0; i < sources.size(); ++i) {
        const auto& numbers = in.trees(static_cast<int>(i)).parents();
        Parents parents(static_cast<std::size_t>(numbers.size()));
        std::ranges::transform(numbers, parents.begin(), parent_link);
        if (!refusal.require(parents.size() == topology.bridges().size(),
                             "a tree without one entry to each bridge") ||
            !refusal.require(leads_to_source(parents, topology, sources[i]),
                             "a tree that does not lead to its source")) {
            return result;
        }
        result.push_back(std::make_shared<const Parents>(std::move(parents)));
    }
    return result;
}

}  // namespace

void put(const PathTable& table, proto::PathTable& out) {
    out.set_version(table.version());
    out.set_epoch(table.epoch().value);
    out.set_hash(table.hash());
    for (const LinkState& state : table.links()) put(state, *out.add_links());
    for (const PathTable::Tree& tree : table.trees()) {
        proto::Tree& added = *out.add_trees();
        added.mutable_parents()->Reserve(static_cast<int>(tree->size()));
        for (const LinkId parent : *tree) added.add_parents(parent_number(parent));
    }
    for (const Sides& sides : table.partitions()) {
        out.add_partitions()->mutable_side_of_host()->Assign(sides.begin(), sides.end());
    }
}

std::optional<PathTable> path_table(const proto::PathTable& in, const Topology& topology,
                                    Refusal& refusal) {
    std::vector<LinkState> links;
    for (const proto::LinkState& state : in.links()) links.push_back(link_state(state, refusal));
    refusal.require(links.size() == topology.links().size(), "not one state to each link");
    std::vector<PathTable::Tree> all_trees = trees(in, topology, refusal);
    std::vector<Sides> all_partitions = partitions(in.partitions());
    for (const Sides& sides : all_partitions) {
        refusal.require(sides.size() == topology.hosts().size(),
                        "a partition without one side to each host");
    }
    if (refusal.any()) return {};
    PathTable table{in.version(), EpochId{in.epoch()}, std::move(links), std::move(all_trees),
                    std::move(all_partitions)};
    if (!refusal.require(table.hash() == in.hash(), "a path table that has not its own hash")) {
        return {};
    }
    return table;
}

void put(const PathTableDelta& delta, proto::PathTableDelta& out) {
    out.set_base_hash(delta.base_hash);
    out.set_hash(delta.hash);
    out.set_version(delta.version);
    out.set_epoch(delta.epoch.value);
    for (const LinkStateChange& change : delta.links) {
        out.add_changed_link(change.link.value);
        put(change.state, *out.add_link_state());
    }
    std::uint32_t tree = 0;
    for (const TreeChange& change : delta.parents) {
        out.add_changed_tree_delta(change.tree.value - tree);
        out.add_changed_bridge(change.bridge.value);
        out.add_changed_parent(parent_number(change.parent));
        tree = change.tree.value;
    }
    if (!delta.partitions) return;
    proto::PartitionList& list = *out.mutable_partitions();
    for (const Sides& sides : *delta.partitions) {
        list.add_partitions()->mutable_side_of_host()->Assign(sides.begin(), sides.end());
    }
}

PathTableDelta path_table_delta(const proto::PathTableDelta& in, Refusal& refusal) {
    PathTableDelta delta;
    delta.base_hash = in.base_hash();
    delta.hash = in.hash();
    delta.version = in.version();
    delta.epoch = EpochId{in.epoch()};
    if (!refusal.require(in.changed_link_size() == in.link_state_size() &&
                             in.changed_tree_delta_size() == in.changed_bridge_size() &&
                             in.changed_tree_delta_size() == in.changed_parent_size(),
                         "columns of different lengths")) {
        return delta;
    }
    for (int i = 0; i < in.changed_link_size(); ++i) {
        delta.links.push_back(
            {.link = LinkId{in.changed_link(i)}, .state = link_state(in.link_state(i), refusal)});
    }
    std::uint64_t tree = 0;
    for (int i = 0; i < in.changed_tree_delta_size(); ++i) {
        tree += in.changed_tree_delta(i);
        if (!refusal.require(tree <= UINT32_MAX, "a tree that can't exist")) return delta;
        delta.parents.push_back({.tree = TreeId{static_cast<std::uint32_t>(tree)},
                                 .bridge = BridgeId{in.changed_bridge(i)},
                                 .parent = parent_link(in.changed_parent(i))});
    }
    constexpr const char* kOrder = "changes that are not in order";
    refusal.require(std::ranges::is_sorted(delta.links, {}, &LinkStateChange::link), kOrder);
    refusal.require(std::ranges::is_sorted(delta.parents), kOrder);
    if (in.has_partitions()) delta.partitions = partitions(in.partitions().partitions());
    return delta;
}

}  // namespace pleat::codec

namespace pleat {

std::string encode(const PathTable& table) {
    proto::PathTable message;
    codec::put(table, message);
    return message.SerializeAsString();
}

Result<PathTable> decode_table(std::string_view bytes, const Topology& topology) {
    codec::Refusal refusal;
    proto::PathTable message;
    codec::parse(bytes, kMaxControlBytes, message, refusal);
    std::optional<PathTable> table;
    if (!refusal.any()) table = codec::path_table(message, topology, refusal);
    if (!table) return fail("bad path table: " + refusal.message());
    return *std::move(table);
}

std::string encode(const PathTableDelta& delta) {
    proto::PathTableDelta message;
    codec::put(delta, message);
    return message.SerializeAsString();
}

Result<PathTableDelta> decode_delta(std::string_view bytes) {
    codec::Refusal refusal;
    proto::PathTableDelta message;
    codec::parse(bytes, kMaxControlBytes, message, refusal);
    PathTableDelta delta;
    if (!refusal.any()) delta = codec::path_table_delta(message, refusal);
    if (refusal.any()) return fail("bad change of a path table: " + refusal.message());
    return delta;
}

}  // namespace pleat
