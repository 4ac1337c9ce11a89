#include "model/near_hosts.hh"

#include <algorithm>
#include <map>
#include <numeric>
#include <queue>
#include <utility>

namespace pleat {

namespace {

struct Step {
    VertexId to;
    Duration latency{};
};

using Steps = std::vector<std::vector<Step>>;  // by vertex

Steps steps_of(const Topology& topology, Duration latency) {
    Steps steps(topology.hosts().size() + topology.bridges().size());
    for (const Link& link : topology.links()) {
        // A longer one is part of no path that matters.
        if (link.properties.latency >= latency) continue;
        steps[link.from.value].push_back({link.to, link.properties.latency});
    }
    return steps;
}

struct NearHost {
    HostId host;
    Duration latency{};
};

// Dijkstra's algorithm, as far as `latency`.
std::vector<NearHost> reached(const Topology& topology, const Steps& steps, HostId source,
                              Duration latency) {
    using Entry = std::pair<Duration, std::uint32_t>;
    std::map<std::uint32_t, Duration> least{{source.value, Duration::zero()}};
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> next;
    next.emplace(Duration::zero(), source.value);
    std::vector<NearHost> hosts;
    while (!next.empty()) {
        const auto [so_far, vertex] = next.top();
        next.pop();
        if (so_far > least.at(vertex)) continue;
        if (vertex != source.value && topology.is_host(VertexId{vertex})) {
            hosts.push_back({HostId{vertex}, so_far});
            continue;
        }
        for (const Step& step : steps[vertex]) {
            const Duration there = so_far + step.latency;
            if (there >= latency) continue;
            const auto [known, fresh] = least.emplace(step.to.value, there);
            if (!fresh && known->second <= there) continue;
            known->second = there;
            next.emplace(there, step.to.value);
        }
    }
    return hosts;
}

}  // namespace

std::vector<std::vector<HostId>> near_hosts(const Topology& topology, Duration latency) {
    const auto count = static_cast<std::uint32_t>(topology.hosts().size());
    std::vector<std::uint32_t> parent(count);
    std::iota(parent.begin(), parent.end(), 0);
    const auto root = [&parent](std::uint32_t host) {
        while (parent[host] != host) host = parent[host] = parent[parent[host]];
        return host;
    };
    const Steps steps = steps_of(topology, latency);
    for (std::uint32_t host = 0; host < count; ++host) {
        for (const auto& [other, there] : reached(topology, steps, HostId{host}, latency)) {
            const std::uint32_t a = root(host);
            const std::uint32_t b = root(other.value);
            parent[std::max(a, b)] = std::min(a, b);
        }
    }
    std::map<std::uint32_t, std::vector<HostId>> of_root;
    for (std::uint32_t host = 0; host < count; ++host) of_root[root(host)].push_back(HostId{host});
    std::vector<std::vector<HostId>> groups;
    for (auto& [first, hosts] : of_root) {
        if (hosts.size() > 1) groups.push_back(std::move(hosts));
    }
    std::ranges::sort(groups, [](const auto& a, const auto& b) {
        return a.size() != b.size() ? a.size() > b.size() : a.front() < b.front();
    });
    return groups;
}

std::size_t paths_below_real(const Topology& topology, const Placement& placement,
                             std::span<const UnderlayLink> underlay) {
    std::map<std::pair<MachineId, MachineId>, Duration> real;
    Duration most{};
    for (const UnderlayLink& link : underlay) {
        const Duration one_way = link.round_trip / 2;
        real[{link.from, link.to}] = one_way;
        real.try_emplace({link.to, link.from}, one_way);
        most = std::max(most, one_way);
    }
    const Steps steps = steps_of(topology, most);
    std::size_t found = 0;
    for (std::uint32_t host = 0; host < placement.size(); ++host) {
        for (const auto& [other, latency] : reached(topology, steps, HostId{host}, most)) {
            const auto between = real.find({placement[host], placement[other.value]});
            if (between != real.end() && latency < between->second) ++found;
        }
    }
    return found;
}

}  // namespace pleat
