// PlaneWorld: a small topology of real hosts that a data plane connects. The plane is
// made by a function, so that every plane can run the same cases.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "tests/dataplane/tun_hosts.hh"

namespace pleat::testing {

using OpenPlane = std::function<std::unique_ptr<DataPlane>(PlaneContext)>;

class PlaneWorld {
  public:
    // Lines as topology() of tests/model/build.hh has them. The table is in force.
    PlaneWorld(const OpenPlane& open, const std::vector<std::string>& lines);

    const TunHost& host(const std::string& name) const { return *hosts_.at(name); }

    // The host's namespace goes, without a word to the plane.
    void destroy_host(const std::string& name) { hosts_.erase(name); }

    FlowKey flow(const std::string& from, const std::string& to) const;

    // The same hosts and links with other properties, as table `version`.
    std::shared_ptr<const PathTable> table(
        const std::vector<std::string>& lines, std::uint32_t version,
        const std::function<void(LinkProperties&)>& edit = {}) const;

    DataPlane& plane() { return *plane_; }

    // Handles reports until `done`; fails the test after `limit`.
    void await(const std::function<bool()>& done, Duration limit = std::chrono::seconds{20});

    // Handles reports for so long.
    void pass(Duration time);

    // The flow's counters once it has been reported; nothing before.
    std::shared_ptr<const FlowCounters> counters(FlowKey flow);

    const std::vector<FlowStarted>& started() const { return started_; }

    const std::vector<TableActivated>& activated() const { return activated_; }

    // Round-trip times of `count` pings, sorted; lost ones are missing.
    std::vector<Duration> ping(const std::string& from, const std::string& to, int count,
                               Duration interval, bool v6 = false) const;

  private:
    AddressPlan plan_;
    Topology topology_;
    PathFolder folder_;
    std::map<std::string, std::unique_ptr<TunHost>> hosts_;
    std::vector<FlowStarted> started_;
    std::vector<TableActivated> activated_;
    boost::asio::io_context loop_;
    std::unique_ptr<DataPlane> plane_;
};

}  // namespace pleat::testing
