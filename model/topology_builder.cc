// TopologyBuilder: sorts, numbers and checks what a file's reader found, so that ids do
// not depend on the order of its lines.
#include <algorithm>
#include <tuple>

#include "model/topology.hh"

namespace pleat {

namespace {

// A path visits each bridge once, so it has at most bridges + 1 links; the key of a path
// has 16 bits for them.
constexpr std::size_t kMostBridges = 65'534;

using Index = std::unordered_map<std::string, std::uint32_t>;

// The links of each vertex side by side: those of v are [first[v], first[v + 1]). Within
// a vertex they ascend, since they are put down in the order of their ids.
template <typename End>
void group_links(const std::vector<Link>& links, std::size_t vertices, End end,
                 std::vector<std::uint32_t>& first, std::vector<LinkId>& grouped) {
    first.assign(vertices + 1, 0);
    for (const Link& link : links) ++first[end(link).value + 1];
    for (std::size_t v = 0; v < vertices; ++v) first[v + 1] += first[v];
    grouped.resize(links.size());
    std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
    for (std::uint32_t id = 0; id < links.size(); ++id) {
        grouped[next[end(links[id]).value]++] = LinkId{id};
    }
}

std::optional<VertexId> find(const Index& hosts, const Index& bridges, const std::string& name) {
    if (const auto host = hosts.find(name); host != hosts.end()) return VertexId{host->second};
    if (const auto bridge = bridges.find(name); bridge != bridges.end()) {
        return VertexId{static_cast<std::uint32_t>(hosts.size()) + bridge->second};
    }
    return std::nullopt;
}

std::string unknown_end(const std::string& where, const std::string& end) {
    return where + ": there is no host or bridge '" + end + "'";
}

// Everything that tells two links apart, so that equal ones are interchangeable.
bool before(const Link& a, const Link& b) {
    const auto identity = [](const Link& l) {
        return std::tie(l.from, l.to, l.name, l.properties);
    };
    if (identity(a) < identity(b)) return true;
    if (identity(b) < identity(a)) return false;
    return std::tie(a.up, a.tags) < std::tie(b.up, b.tags);
}

}  // namespace

void TopologyBuilder::add(Host host) {
    hosts_.push_back(std::move(host));
}

void TopologyBuilder::add(Bridge bridge) {
    bridges_.push_back(std::move(bridge));
}

void TopologyBuilder::add_link(std::string from, std::string to, LinkProperties properties,
                               std::string name, std::vector<std::string> tags, bool up) {
    links_.push_back(
        NamedLink{std::move(from), std::move(to),
                  Link{VertexId{}, VertexId{}, std::move(name), std::move(tags), properties, up}});
}

Result<Topology> TopologyBuilder::build() && {
    Topology topology;
    topology.hosts_ = std::move(hosts_);
    topology.bridges_ = std::move(bridges_);

    std::ranges::sort(topology.hosts_, {},
                      [](const Host& h) { return std::tie(h.group, h.replica, h.name); });
    std::ranges::sort(topology.bridges_, {}, &Bridge::name);
    if (topology.bridges_.size() > kMostBridges) {
        return fail("the topology has " + std::to_string(topology.bridges_.size()) +
                    " bridges, expected at most " + std::to_string(kMostBridges));
    }

    for (std::uint32_t id = 0; id < topology.hosts_.size(); ++id) {
        const std::string& name = topology.hosts_[id].name;
        if (!topology.host_index_.emplace(name, id).second) {
            return fail("two hosts have the name '" + name + "', expected each name once");
        }
    }
    for (std::uint32_t id = 0; id < topology.bridges_.size(); ++id) {
        const std::string& name = topology.bridges_[id].name;
        if (topology.host_index_.contains(name)) {
            return fail("a host and a bridge have the name '" + name +
                        "', expected each name once");
        }
        if (!topology.bridge_index_.emplace(name, id).second) {
            return fail("two bridges have the name '" + name + "', expected each name once");
        }
    }

    topology.links_.reserve(links_.size());
    for (NamedLink& named : links_) {
        const std::string where = "link '" + named.from + "->" + named.to + "'";
        for (const std::string& end : {named.from, named.to}) {
            if (!find(topology.host_index_, topology.bridge_index_, end)) {
                return fail(unknown_end(where, end));
            }
        }
        if (named.from == named.to) return fail(where + ": expected two different ends");
        Link& link = topology.links_.emplace_back(std::move(named.link));
        link.from = *find(topology.host_index_, topology.bridge_index_, named.from);
        link.to = *find(topology.host_index_, topology.bridge_index_, named.to);
    }
    std::ranges::sort(topology.links_, before);

    const std::size_t vertices = topology.vertex_count();
    group_links(
        topology.links_, vertices, [](const Link& l) { return l.from; }, topology.first_out_,
        topology.out_);
    group_links(
        topology.links_, vertices, [](const Link& l) { return l.to; }, topology.first_in_,
        topology.in_);
    return topology;
}

}  // namespace pleat
