// Path: the end-to-end properties of the way from one host to another, folded from the
// links it crosses. (Kollaps' path collapse; "Scalable Network Emulation", chapter 4.)
#pragma once

#include <optional>
#include <vector>

#include "model/path_table.hh"

namespace pleat {

struct Path {
    Duration latency{};  // sum of the links', one way
    Duration rtt{};      // forward + return path; without a return path 2 x forward
    Duration jitter{};   // root of the sum of squares
    JitterDistribution distribution = JitterDistribution::normal;  // of the link with most jitter
    Probability loss;       // 1 - product of (1 - p); so are the next three
    Probability reorder;
    Probability duplicate;
    Probability corrupt;
    std::optional<GilbertElliott> burst_loss;  // of the one link that has it
    Bandwidth bandwidth = Bandwidth::unlimited();  // of the narrowest link
    DataSize queue = DataSize::bytes(0);           // of the narrowest link (lowest id on ties)
    Overhead overhead;                             // of the narrowest link
    std::vector<LinkId> links;                     // in order, from source to destination

    friend bool operator==(const Path&, const Path&) = default;
};

// Knows a topology's access links and trees; folds any pair of any of its tables.
class PathFolder {
  public:
    explicit PathFolder(const Topology& topology);  // the topology must outlive it

    // The links from `source` to `destination`, or nothing when unreachable (or equal).
    std::optional<std::vector<LinkId>> links(const PathTable& table, HostId source,
                                             HostId destination) const;

    // The whole path; nothing when unreachable: then everything is dropped.
    std::optional<Path> fold(const PathTable& table, HostId source, HostId destination) const;

    const Topology& topology() const { return *topology_; }

  private:
    const Topology* topology_;
    std::vector<TreeId> tree_of_host_;
};

// A queue's limit in bytes on a link of `bandwidth` in a path of round trip `rtt`.
// bdp: bandwidth x rtt, at least 20 ms and 10 packets of 1514 bytes; unlimited rate: no limit.
DataSize queue_bytes(QueueLimit limit, Bandwidth bandwidth, Duration rtt);

}  // namespace pleat
