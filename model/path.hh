// Path: the end-to-end properties of the way from one host to another, folded from the
// links it crosses. (Kollaps' path collapse; "Scalable Network Emulation", chapter 4.)
#pragma once

#include <optional>
#include <vector>

#include "model/path_table.hh"
#include "model/route_metric.hh"

namespace pleat {

struct Path {
    Duration latency{};  // sum of the links', one way
    Duration rtt{};      // forward + return path; without a return path 2 x forward
    Duration jitter{};   // root of the sum of squares
    JitterDistribution distribution = JitterDistribution::normal;  // of the link with most jitter
    Probability loss;  // 1 - product of (1 - p); so are the next three
    Probability reorder;
    Probability duplicate;
    Probability corrupt;
    std::optional<GilbertElliott> burst_loss;      // of the one link that has it
    Bandwidth bandwidth = Bandwidth::unlimited();  // of the narrowest link
    DataSize queue = DataSize::bytes(0);           // of the narrowest link (lowest id on ties)
    Overhead overhead;                             // of the narrowest link
    std::vector<LinkId> links;                     // in order, from source to destination

    friend bool operator==(const Path&, const Path&) = default;
};

// Knows a topology's access links and trees; folds any pair of any of its tables.
//
// (1) The path to a host ends with the link that makes the least key (latency, then hops;
//     or the other way round), the lowest id on ties, be it from a bridge or from the
//     source itself: the result is that of Dijkstra over the whole graph where hosts do
//     not forward.
// (2) A table that does not belong to the topology yields wrong paths or none, no fault.
class PathFolder {
  public:
    // The topology must outlive it. `routing` is the scenario's: with it one of several
    // links to the destination is chosen.
    explicit PathFolder(const Topology& topology, Routing routing = Routing::latency);

    explicit PathFolder(const Scenario& scenario)
        : PathFolder{scenario.topology, scenario.routing} {}

    // The links from `source` to `destination`, or nothing when unreachable (or equal).
    std::optional<std::vector<LinkId>> links(const PathTable& table, HostId source,
                                             HostId destination) const;

    // The whole path; nothing when unreachable: then everything is dropped.
    std::optional<Path> fold(const PathTable& table, HostId source, HostId destination) const;

    // Whose parents lead to `host` as a source; nothing when no tree does.
    std::optional<TreeId> tree_of(HostId host) const { return access_[host.value].tree; }

    const Topology& topology() const { return *topology_; }

  private:
    // How a host comes onto the bridges: by its own tree, or by its one link and the tree
    // of the bridge behind it.
    struct Access {
        std::optional<TreeId> tree;
        LinkId uplink = kNoLink;
    };

    struct Ends {
        VertexId from;
        VertexId to;
    };

    template <typename Step>
    bool walk_back(const PathTable& table, HostId source, LinkId last, Step step) const;

    std::optional<LinkId> last_link(const PathTable& table, HostId source,
                                    HostId destination) const;
    std::optional<Duration> latency(const PathTable& table, HostId source,
                                    HostId destination) const;

    const Topology* topology_;
    RouteMetric metric_;
    std::vector<Ends> ends_;      // by LinkId; side by side, as walks go through millions
    std::vector<Access> access_;  // by HostId
};

// A queue's limit in bytes on a link of `bandwidth` in a path of round trip `rtt`.
// bdp: bandwidth x rtt, at least 20 ms and 10 packets of 1514 bytes; time: bandwidth x
// time, at least one packet; both without limit (the largest DataSize) at unlimited rate.
DataSize queue_bytes(QueueLimit limit, Bandwidth bandwidth, Duration rtt);

}  // namespace pleat
