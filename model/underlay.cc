#include "model/underlay.hh"

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>

#include "model/graph_min_cut.hh"

namespace pleat {

namespace {

using Pair = std::pair<MachineId, MachineId>;

// By ordered pair of machines; each direction has what was measured for it, or for the other.
std::map<Pair, UnderlayLink> both_ways(std::span<const UnderlayLink> underlay) {
    std::map<Pair, UnderlayLink> all;
    for (const UnderlayLink& link : underlay) all[{link.from, link.to}] = link;
    for (UnderlayLink link : underlay) {
        link.spoken_for.reset();  // that is of one direction
        all.try_emplace({link.to, link.from}, link);
    }
    return all;
}

}  // namespace

UnderlayFindings check_underlay(const PathFolder& folder, const PathTable& table,
                                const Placement& placement, std::span<const UnderlayLink> underlay,
                                std::size_t most) {
    const auto links = both_ways(underlay);
    std::vector<UnderlayFinding> latencies;
    std::vector<UnderlayFinding> rates;
    std::vector<UnderlayFinding> sums;
    std::size_t total = 0;
    const auto found = [&](std::vector<UnderlayFinding>& list, const UnderlayFinding& finding) {
        ++total;
        if (list.size() < most) list.push_back(finding);
    };
    const auto hosts = static_cast<std::uint32_t>(placement.size());
    std::map<MachineId, std::vector<HostId>> hosts_of;
    for (std::uint32_t a = 0; a < hosts; ++a) {
        hosts_of[placement[a]].push_back(HostId{a});
        for (std::uint32_t b = 0; b < hosts; ++b) {
            if (placement[a] == placement[b]) continue;
            const auto link = links.find({placement[a], placement[b]});
            if (link == links.end()) continue;
            const FlowKey flow{HostId{a}, HostId{b}};
            const auto crossed = folder.links(table, flow.source, flow.destination);
            if (!crossed) continue;
            Duration latency{};
            Bandwidth bandwidth = Bandwidth::unlimited();
            for (const LinkId id : *crossed) {
                latency += table.link(id).properties.latency;
                bandwidth = std::min(bandwidth, table.link(id).properties.bandwidth);
            }
            const Duration real = link->second.round_trip / 2;
            if (latency < real) found(latencies, LatencyBelowReal{flow, latency, real});
            const auto& rate = link->second.rate;
            // An unlimited path promises nothing.
            if (rate && !bandwidth.is_unlimited() && bandwidth > *rate) {
                found(rates, PathAboveUnderlay{flow, bandwidth, *rate});
            }
        }
    }
    for (const auto& [machines, link] : links) {
        const auto& [from, to] = machines;
        if (!link.rate || from == to) continue;
        const auto cut = least_cut(folder.topology(), table, hosts_of[from], hosts_of[to]);
        if (!cut || cut->is_unlimited()) continue;
        const std::int64_t taken = link.spoken_for ? link.spoken_for->bits_per_second() : 0;
        if (cut->bits_per_second() > link.rate->bits_per_second() - taken) {
            found(sums, TogetherAboveUnderlay{from, to, *cut, *link.rate, link.spoken_for});
        }
    }
    UnderlayFindings all;
    all.total = total;
    for (const auto* const list : {&latencies, &rates, &sums}) {
        for (const UnderlayFinding& one : *list) {
            if (all.findings.size() < most) all.findings.push_back(one);
        }
    }
    return all;
}

}  // namespace pleat
