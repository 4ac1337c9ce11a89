// Topology: hosts, bridges and directed links, with ids that mean the same in every
// epoch. Immutable once built; what changes over time is NetworkState.
//
// (1) Hosts are sorted by (group, replica), bridges by name; ids are positions.
// (2) Links are sorted by (from, to, name, properties); ids are positions.
// (3) Whatever the order in which a builder was told, the result is the same.
// (4) Every link that ever exists in a run is here; those of the future are `up: false`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hh"
#include "model/ids.hh"
#include "model/link_properties.hh"

namespace pleat {

struct Host {
    std::string name;   // "server", or "client[2]" when replicated
    std::string group;  // the name in the file: "client"
    std::uint32_t replica = 0;
    bool replicated = false;
    std::vector<std::string> tags;

    friend bool operator==(const Host&, const Host&) = default;
};

struct Bridge {
    std::string name;
    // What files and events call it: its name, or for a hidden bridge (one that
    // `shared` links make) the name of the hosts behind it.
    std::string label;
    bool hidden = false;
    std::vector<std::string> tags;

    friend bool operator==(const Bridge&, const Bridge&) = default;
};

struct Link {
    VertexId from;
    VertexId to;
    std::string name;  // `name=`, tells parallel links apart; mostly empty
    std::vector<std::string> tags;
    LinkProperties properties;  // at T0
    bool up = true;             // at T0

    friend bool operator==(const Link&, const Link&) = default;
};

class Topology {
  public:
    Topology() = default;  // empty

    std::span<const Host> hosts() const { return hosts_; }

    std::span<const Bridge> bridges() const { return bridges_; }

    std::span<const Link> links() const { return links_; }

    const Host& host(HostId id) const { return hosts_[id.value]; }

    const Link& link(LinkId id) const { return links_[id.value]; }

    std::size_t vertex_count() const { return hosts_.size() + bridges_.size(); }

    bool is_host(VertexId v) const { return v.value < hosts_.size(); }

    static VertexId vertex(HostId host) { return VertexId{host.value}; }

    VertexId vertex(BridgeId bridge) const {
        return VertexId{static_cast<std::uint32_t>(hosts_.size()) + bridge.value};
    }

    // Asserts is_host(v), or not.
    HostId host_of(VertexId v) const;
    BridgeId bridge_of(VertexId v) const;

    const std::string& name(VertexId v) const;

    // "client[0]->s1" or "a->b#name": how a user writes this link; a hidden bridge by its label.
    std::string label(LinkId id) const;

    std::optional<HostId> find_host(std::string_view name) const;
    std::optional<BridgeId> find_bridge(std::string_view name) const;

    // Ids ascend.
    std::span<const LinkId> out_links(VertexId v) const;
    std::span<const LinkId> in_links(VertexId v) const;

    friend bool operator==(const Topology& a, const Topology& b) {
        return a.hosts_ == b.hosts_ && a.bridges_ == b.bridges_ && a.links_ == b.links_;
    }

  private:
    friend class TopologyBuilder;

    std::vector<Host> hosts_;
    std::vector<Bridge> bridges_;
    std::vector<Link> links_;
    std::unordered_map<std::string, std::uint32_t> host_index_;
    std::unordered_map<std::string, std::uint32_t> bridge_index_;
    // Links by vertex: those of v are [first_[v], first_[v + 1]).
    std::vector<std::uint32_t> first_out_, first_in_;
    std::vector<LinkId> out_, in_;
};

// Collects parts in any order; build() sorts, numbers and checks them.
class TopologyBuilder {
  public:
    void add(Host host);
    void add(Bridge bridge);
    // `from` and `to` are names of hosts ("client[0]") or bridges.
    void add_link(std::string from, std::string to, LinkProperties properties,
                  std::string name = {}, std::vector<std::string> tags = {}, bool up = true);

    // Fails on a name used twice, an unknown end, a link from a point to itself, or
    // more than 65,535 hops possible (the key of a path has 16 bits for them).
    Result<Topology> build() &&;

  private:
    struct NamedLink {
        std::string from;
        std::string to;
        Link link;
    };

    std::vector<Host> hosts_;
    std::vector<Bridge> bridges_;
    std::vector<NamedLink> links_;
};

}  // namespace pleat
