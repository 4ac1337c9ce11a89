// FlowPaths: what sharing needs to know of a flow's path in the table in force; looked up
// once a table.
#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "model/path.hh"
#include "model/path_table.hh"

namespace pleat {

struct FlowPath {
    std::vector<LinkId> links;
    std::vector<LinkId> back;  // of the return path; empty when there is none
    Duration rtt{};            // as of Path, of model/path.hh
    double weight = 1.0;
    Bandwidth bandwidth = Bandwidth::unlimited();  // of the narrowest link
};

class FlowPaths {
  public:
    // The folder must outlive it.
    FlowPaths(const PathFolder& folder, std::shared_ptr<const PathTable> table);

    // Puts another table in force; what find() returned before is gone. Ways that can't have
    // changed are kept: those between hosts with one link each, whose trees are the same.
    void use(std::shared_ptr<const PathTable> table);

    // Nothing when no path leads there, or the flow's ends do not exist. Stays where it
    // is until the next use().
    const FlowPath* find(FlowKey flow);

    // What find() returned for it is gone.
    void forget(FlowKey flow) { found_.erase(flow); }

    // How many flows it knows the answer for.
    std::size_t known() const { return found_.size(); }

    // Whose table is in force.
    EpochId epoch() const { return table_->epoch(); }

    // Does the topology have these two hosts, and are they two?
    bool possible(FlowKey flow) const;

    // Of each link, in bits per second.
    std::vector<double> capacities() const;

  private:
    static constexpr Duration kDown = Duration::min();

    bool goes_the_same_way(FlowKey flow, const FlowPath& path, const PathTable& before) const;
    void note_links();
    Duration latency(const std::vector<LinkId>& links) const;
    void measure(FlowPath& path) const;

    const PathFolder* folder_;
    std::shared_ptr<const PathTable> table_;
    // Of the table's links, side by side for the thousands of paths that are measured anew.
    std::vector<Duration> latencies_;  // kDown: the link is down
    std::vector<Bandwidth> bandwidths_;
    std::unordered_map<FlowKey, std::optional<FlowPath>> found_;
};

}  // namespace pleat
