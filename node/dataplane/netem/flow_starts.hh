// FlowStarts: notices flows of a netem plane that start after silence, and reports them.
//
// (1) With BPF the classifier says so; without it one looks, again and again.
// (2) Of a plane that was taken over, nothing is reported before its first table is in force: then
//     the flows that are under way, and those that the earlier plane knew keep their caps.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/lifeline.hh"
#include "node/dataplane/data_plane.hh"
#include "node/dataplane/netem/classifier.hh"
#include "node/dataplane/netem/flow_book.hh"
#include "node/dataplane/netem/local_host.hh"

namespace pleat {

class FlowStarts {
  public:
    // A flow starts after so much of nothing.
    static constexpr Duration kIdle = std::chrono::milliseconds{100};

    // Whose source a place of the classifier is.
    using Places = std::vector<std::optional<HostId>>;

    // All must outlive it; nullptr: without BPF.
    FlowStarts(boost::asio::io_context& loop, Classifier* classifier, bool is_adopted,
               const LocalHosts& locals, const Places& places, FlowBook& flows,
               std::function<void(FlowStarted)> report);
    ~FlowStarts();
    FlowStarts(const FlowStarts&) = delete;
    FlowStarts& operator=(const FlowStarts&) = delete;

    // From now on there is something to look at.
    void first_host_comes();

    // A table is in force.
    void table_in_force() {
        if (!begun()) report_left();
    }

    // Rule (2).
    bool begun() const { return !is_adopted_ || has_reported_left_; }

  private:
    void wait_for_events();
    void wait_for_poll(Duration pause);
    void poll_for_starts();
    void start(FlowKey flow, Instant at);
    void report_left();

    Classifier* classifier_;
    bool is_adopted_;
    const LocalHosts& locals_;
    const Places& places_;
    FlowBook& flows_;
    std::function<void(FlowStarted)> report_;
    bool has_reported_left_ = false;
    std::set<FlowKey> left_flows_;  // that the earlier plane knew, and that were not reported yet
    boost::asio::posix::stream_descriptor events_readable_;
    boost::asio::steady_timer poll_timer_;
    Lifeline lifeline_;
};

}  // namespace pleat
