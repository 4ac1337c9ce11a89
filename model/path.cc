#include "model/path.hh"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pleat {

namespace {

// The largest packet of a layer-2 network without jumbo frames: 1500 + 14.
constexpr DataSize kFullPacket = DataSize::bytes(1514);
// Few paths have more.
constexpr std::size_t kUsualLinks = 16;
constexpr DataSize kNoLimit = DataSize::bytes(std::numeric_limits<std::int64_t>::max());

// Like either(), but keeps the very number where there is only one chance.
Probability along(Probability so_far, Probability link) {
    if (so_far == Probability{}) return link;
    if (link == Probability{}) return so_far;
    return either(so_far, link);
}

}  // namespace

PathFolder::PathFolder(const Topology& topology, Routing routing)
    : topology_{&topology},
      metric_{routing, topology.bridges().size()},
      access_(topology.hosts().size()) {
    ends_.reserve(topology.links().size());
    for (const Link& link : topology.links()) ends_.push_back({link.from, link.to});
    const std::vector<VertexId> sources = tree_sources(topology);
    const auto tree_of = [&sources](VertexId v) -> std::optional<TreeId> {
        const auto found = std::ranges::lower_bound(sources, v);
        if (found == sources.end() || *found != v) return std::nullopt;
        return TreeId{static_cast<std::uint32_t>(found - sources.begin())};
    };
    for (std::uint32_t h = 0; h < access_.size(); ++h) {
        const VertexId host = Topology::vertex(HostId{h});
        Access& access = access_[h];
        access.tree = tree_of(host);
        if (access.tree) continue;
        for (const LinkId id : topology.out_links(host)) {
            const VertexId to = topology.link(id).to;
            if (topology.is_host(to)) continue;
            access = Access{tree_of(to), id};
        }
    }
}

// Gives `step` the links of the way from `source` that ends with `last`, the last one
// first. False when there is none (`step` may have seen some links then).
template <typename Step>
bool PathFolder::walk_back(const PathTable& table, HostId source, LinkId last, Step step) const {
    const VertexId start = Topology::vertex(source);
    step(last);
    VertexId at = ends_[last.value].from;
    if (at == start) return true;
    const Access& access = access_[source.value];
    if (!access.tree || access.tree->value >= table.trees().size()) return false;
    const Parents& parents = *table.trees()[access.tree->value];

    // A path visits each bridge once; a table with circles comes from elsewhere.
    for (std::size_t steps = 0; steps < parents.size(); ++steps) {
        const BridgeId bridge = topology_->bridge_of(at);
        if (bridge.value >= parents.size()) return false;
        const LinkId parent = parents[bridge.value];
        if (parent == kNoLink) {
            const LinkId uplink = access.uplink;
            if (uplink == kNoLink || ends_[uplink.value].to != at) return false;
            if (!table.link(uplink).up) return false;
            step(uplink);
            return true;
        }
        if (parent.value >= ends_.size()) return false;
        if (ends_[parent.value].to != at) return false;
        step(parent);
        at = ends_[parent.value].from;
        if (at == start) return true;
        if (topology_->is_host(at)) return false;
    }
    return false;
}

std::optional<LinkId> PathFolder::last_link(const PathTable& table, HostId source,
                                            HostId destination) const {
    if (source == destination || !table.together(source, destination)) return std::nullopt;
    if (table.links().size() != topology_->links().size()) return std::nullopt;

    std::optional<LinkId> best;
    bool alone = true;
    const auto candidates = topology_->in_links(Topology::vertex(destination));
    const auto usable = [&](LinkId id) {
        const VertexId from = ends_[id.value].from;
        return table.link(id).up && (from == Topology::vertex(source) || !topology_->is_host(from));
    };
    for (const LinkId id : candidates) {
        if (!usable(id)) continue;
        if (best) alone = false;
        best = id;
    }
    if (alone) return best;

    best.reset();
    RouteKey least = kNoRoute;
    for (const LinkId id : candidates) {  // ids ascend: the lowest one wins a tie
        if (!usable(id)) continue;
        RouteKey key = 0;
        const bool reached = walk_back(table, source, id,
                                       [&](LinkId link) { key += metric_.key(table.link(link)); });
        if (!reached || key >= least) continue;
        least = key;
        best = id;
    }
    return best;
}

std::optional<std::vector<LinkId>> PathFolder::links(const PathTable& table, HostId source,
                                                     HostId destination) const {
    const auto last = last_link(table, source, destination);
    if (!last) return std::nullopt;
    std::vector<LinkId> links;
    links.reserve(kUsualLinks);
    if (!walk_back(table, source, *last, [&links](LinkId id) { links.push_back(id); })) {
        return std::nullopt;
    }
    std::ranges::reverse(links);
    return links;
}

std::optional<Duration> PathFolder::latency(const PathTable& table, HostId source,
                                            HostId destination) const {
    const auto last = last_link(table, source, destination);
    Duration sum{};
    const auto add = [&](LinkId id) { sum += table.link(id).properties.latency; };
    if (!last || !walk_back(table, source, *last, add)) return std::nullopt;
    return sum;
}

std::optional<Path> PathFolder::fold(const PathTable& table, HostId source,
                                     HostId destination) const {
    auto links = this->links(table, source, destination);
    if (!links) return std::nullopt;
    Path path;
    path.links = std::move(*links);

    double jitter_squares = 0.0;
    LinkId most_jitter = path.links.front();
    LinkId narrowest = path.links.front();
    for (const LinkId id : path.links) {
        const LinkProperties& link = table.link(id).properties;
        path.latency += link.latency;
        const auto jitter_ns = static_cast<double>(link.jitter.count());
        jitter_squares += jitter_ns * jitter_ns;
        path.loss = along(path.loss, link.loss);
        path.reorder = along(path.reorder, link.reorder);
        path.duplicate = along(path.duplicate, link.duplicate);
        path.corrupt = along(path.corrupt, link.corrupt);
        if (!path.burst_loss) path.burst_loss = link.burst_loss;

        const LinkProperties& jittery = table.link(most_jitter).properties;
        if (link.jitter > jittery.jitter || (link.jitter == jittery.jitter && id < most_jitter)) {
            most_jitter = id;
        }
        const LinkProperties& narrow = table.link(narrowest).properties;
        if (link.bandwidth < narrow.bandwidth ||
            (link.bandwidth == narrow.bandwidth && id < narrowest)) {
            narrowest = id;
        }
    }
    path.jitter = Duration{std::llround(std::sqrt(jitter_squares))};
    path.distribution = table.link(most_jitter).properties.distribution;

    const auto back = latency(table, destination, source);
    path.rtt = path.latency + back.value_or(path.latency);

    const LinkProperties& narrow = table.link(narrowest).properties;
    path.bandwidth = narrow.bandwidth;
    path.queue = queue_bytes(narrow.queue, narrow.bandwidth, path.rtt);
    path.overhead = narrow.overhead;
    return path;
}

DataSize queue_bytes(QueueLimit limit, Bandwidth bandwidth, Duration rtt) {
    switch (limit.kind) {
        case QueueLimit::Kind::packets:
            return limit.amount > kNoLimit.bytes() / kFullPacket.bytes()
                       ? kNoLimit
                       : kFullPacket * limit.amount;
        case QueueLimit::Kind::bytes:
            return DataSize::bytes(limit.amount);
        case QueueLimit::Kind::time:
            return std::max(bandwidth * Duration{limit.amount}, kFullPacket);
        case QueueLimit::Kind::bdp:
            break;
    }
    constexpr Duration kShortest = std::chrono::milliseconds{20};
    return std::max(bandwidth * std::max(rtt, kShortest), kFullPacket * 10);
}

}  // namespace pleat
