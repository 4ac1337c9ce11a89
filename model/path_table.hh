// PathTable: all that is needed to fold any path of one epoch: the state of every link
// and, for every source, the tree of its shortest paths over the bridges. Immutable;
// trees are shared between tables that agree on them, so that a copy is cheap.
//
// (1) A table is named by (version, epoch). Version 1 is the file; a change by hand
//     makes the next one.
// (2) Its hash covers all that paths depend on: equal hashes, equal paths.
// (3) A delta leads from one table to another, and only from that one: it carries the
//     hash of the table it applies to.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/ids.hh"
#include "model/network_state.hh"
#include "model/scenario.hh"
#include "model/topology.hh"

namespace pleat {

// A tree of shortest paths starts at a bridge (shared by all hosts whose one link goes
// there) or at a host with several links. Trees are in the order of their sources.
using TreeId = Id<struct TreeTag>;

constexpr LinkId kNoLink{0xffffffff};

// For each bridge, by BridgeId, the last link of the shortest path to it; kNoLink at
// the source itself and where no path leads.
using Parents = std::vector<LinkId>;

// The sources of trees: bridges where a host with one link to bridges is, and hosts with
// several (in parallel, too), whether these are up or not: a function of the topology
// alone, ascending by vertex.
std::vector<VertexId> tree_sources(const Topology& topology);

struct TreeChange {
    TreeId tree;
    BridgeId bridge;
    LinkId parent;

    friend auto operator<=>(const TreeChange&, const TreeChange&) = default;
};

struct LinkStateChange {
    LinkId link;
    LinkState state;

    friend auto operator<=>(const LinkStateChange&, const LinkStateChange&) = default;
};

struct PathTableDelta {
    std::uint64_t base_hash = 0;
    std::uint64_t hash = 0;  // of the result
    std::uint32_t version = 1;
    EpochId epoch;
    std::vector<LinkStateChange> links;            // ascending
    std::vector<TreeChange> parents;               // ascending
    std::optional<std::vector<Sides>> partitions;  // when they changed

    friend bool operator==(const PathTableDelta&, const PathTableDelta&) = default;
};

class PathTable {
  public:
    using Tree = std::shared_ptr<const Parents>;

    // Asserts that sizes fit together: a tree each source, a parent each bridge.
    PathTable(std::uint32_t version, EpochId epoch, std::vector<LinkState> links,
              std::vector<Tree> trees, std::vector<Sides> partitions);

    std::uint32_t version() const { return version_; }

    EpochId epoch() const { return epoch_; }

    std::span<const LinkState> links() const { return *links_; }

    const LinkState& link(LinkId id) const { return (*links_)[id.value]; }

    std::span<const Tree> trees() const { return trees_; }

    const std::vector<Sides>& partitions() const { return partitions_; }

    // No partition in force separates the two.
    bool together(HostId a, HostId b) const;

    std::uint64_t hash() const { return hash_; }

    // Fails, and says why, when the delta is for another table, names what is not
    // there, or does not lead to its hash.
    Result<PathTable> with(const PathTableDelta& delta) const;

  private:
    std::uint32_t version_;
    EpochId epoch_;
    std::shared_ptr<const std::vector<LinkState>> links_;
    std::vector<Tree> trees_;
    std::vector<Sides> partitions_;
    std::uint64_t hash_ = 0;
};

}  // namespace pleat
