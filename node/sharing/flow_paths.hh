// FlowPaths: what sharing needs to know of a flow's path in the table in force; looked up
// once a table, and walked anew only when the way has changed.
//
// (1) A way that still stands is found to stand link by link, side by side in memory, instead
//     of being walked: between hosts with one link in, when every link of it is still the last
//     one of a shortest path in the trees of the table in force.
// (2) What nobody has asked for since the table before is forgotten when it is most of all.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "model/path.hh"
#include "model/path_table.hh"

namespace pleat {

struct FlowPath {
    std::vector<LinkId> both_ways;  // the links there, then those of the return path
    std::size_t there = 0;          // how many lead there
    Duration rtt{};                 // as of Path, of model/path.hh
    double weight = 1.0;
    Bandwidth bandwidth = Bandwidth::unlimited();  // of the narrowest link there

    std::span<const LinkId> links() const { return std::span{both_ways}.first(there); }

    // Empty when there is no return path.
    std::span<const LinkId> back() const { return std::span{both_ways}.subspan(there); }
};

class FlowPaths {
  public:
    // The folder must outlive it.
    FlowPaths(const PathFolder& folder, std::shared_ptr<const PathTable> table);

    // Puts another table in force; what find() returned before is gone.
    void use(std::shared_ptr<const PathTable> table);

    // Nothing when no path leads there, or the flow's ends do not exist. Stays where it
    // is until the next use(). Quickest when flows are asked for in the same order again and
    // again.
    const FlowPath* find(FlowKey flow);

    // What find() returned for it is gone.
    void forget(FlowKey flow);

    // How many flows it knows an answer for, of this table or of one before.
    std::size_t known() const { return found_.size(); }

    // How many ways it has walked so far.
    std::uint64_t walks() const { return walks_; }

    // Whose table is in force.
    EpochId epoch() const { return table_->epoch(); }

    // Does the topology have these two hosts, and are they two?
    bool possible(FlowKey flow) const;

    // Of each link, in bits per second.
    std::vector<double> capacities() const;

  private:
    static constexpr Duration kDown = Duration::min();

    struct Entry {
        FlowKey flow;
        FlowPath path;
        std::uint64_t turn = 0;  // of the last table that it was looked up in
        bool leads = false;      // is there a path?
        // Which was asked for after this one; right as long as none has been erased since.
        Entry* next = nullptr;
        std::uint64_t next_since = 0;  // erasures_ of then
    };

    void note_links();
    void forget_old();
    Entry& entry_of(FlowKey flow);
    bool still_stands(FlowKey flow, const Entry& entry) const;
    bool way_stands(HostId source, std::span<const LinkId> way, std::uint64_t since) const;
    bool walk(FlowKey flow, FlowPath& path) const;
    Duration latency(std::span<const LinkId> links) const;
    void measure(FlowPath& path) const;

    const PathFolder* folder_;
    std::shared_ptr<const PathTable> table_;
    std::uint64_t turn_ = 1;                    // counts tables
    std::vector<std::uint64_t> tree_since_;     // by TreeId: the turn in which it last changed
    std::vector<std::uint32_t> bridge_behind_;  // by LinkId: where it leads; kNoBridge: to a host
    std::vector<char> one_link_in_;             // by HostId
    // Of the table's links, side by side for the thousands of paths that are measured anew.
    std::vector<Duration> latencies_;  // kDown: the link is down
    std::vector<Bandwidth> bandwidths_;
    std::unordered_map<FlowKey, Entry> found_;
    std::size_t asked_ = 0;  // how many of them are of this turn
    Entry* last_ = nullptr;  // was asked for last
    std::uint64_t erasures_ = 0;
    std::uint64_t walks_ = 0;
};

}  // namespace pleat
