// PlaneWorld: a topology of real hosts that a data plane connects. The plane is made by a
// function, so that every plane can run the same cases; hosts are of the kind that it
// attaches to.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "tests/dataplane/traffic.hh"

namespace pleat::testing {

using OpenPlane = std::function<std::unique_ptr<DataPlane>(PlaneContext)>;

struct PlaneWorldOptions {
    // Other hosts are only destinations: there is nothing behind them.
    std::function<bool(const std::string&)> local = [](const std::string&) { return true; };
    // The outside host, if there is one.
    std::string outside{};
    // Done to each host before the plane has it.
    std::function<void(const TestHost&)> prepare = [](const TestHost&) {};
    // What others have put on the hosts' interfaces is taken over.
    bool takeover = false;
    // Done to a host that the plane refuses; what it said is thrown then.
    std::function<void(const TestHost&)> refused = [](const TestHost&) {};
};

class PlaneWorld {
  public:
    // Lines as topology() of tests/model/build.hh has them. The table is in force.
    PlaneWorld(const OpenPlane& open, const std::vector<std::string>& lines,
               const PlaneWorldOptions& options = {});

    const TestHost& host(const std::string& name) const { return *hosts_.at(name); }

    // The host's namespace goes, without a word to the plane.
    void destroy_host(const std::string& name);

    // A host's interface goes (of planes that attach to interfaces), the host stays.
    void remove_interface(const std::string& name);

    FlowKey flow(const std::string& from, const std::string& to) const;

    // The same hosts and links with other properties, as table `version`.
    std::shared_ptr<const PathTable> table(
        const std::vector<std::string>& lines, std::uint32_t version,
        const std::function<void(LinkProperties&)>& edit = {}) const;

    DataPlane& plane() { return *plane_; }

    // Kernel planes need BPF for that, between hosts.
    bool keeps_ttl() const { return !underlay_ || underlay_->keeps_ttl(); }

    // The plane ends before its hosts.
    void close_plane() { plane_.reset(); }

    struct Activation {
        std::shared_ptr<const PathTable> table;
        Instant when;
    };

    // The plane's process is killed, as far as the kernel sees it: one that was opened by
    // Plane::open_to_leave.
    void kill_plane();

    // Another one goes on with what it left. Reports so far are forgotten.
    void take_over(const OpenPlane& open, const std::vector<Activation>& tables);

    // The table of the beginning, with its instant.
    const Activation& first_table() const { return first_table_; }

    // Handles reports until `done`; fails the test after `limit`.
    void await(const std::function<bool()>& done, Duration limit = std::chrono::seconds{20});

    // Handles reports for so long.
    void pass(Duration time);

    // The flow's counters once it has been reported; nothing before.
    std::shared_ptr<const FlowCounters> counters(FlowKey flow);

    const std::vector<FlowStarted>& started() const { return started_; }

    const std::vector<TableActivated>& activated() const { return activated_; }

    // Runs `action` on a thread of its own while reports are handled here and, every
    // `period`, `change` is done.
    void beside(
        const std::function<void()>& action, Duration period = std::chrono::hours{1},
        const std::function<void()>& change = [] {});

    // A stream of 1000 datagrams a second; change what you need.
    Stream stream(const std::string& from, const std::string& to, int count) const {
        return Stream{.from = &host(from), .to = &host(to), .count = count};
    }

    // exchange() and ping() of traffic.hh while reports are handled.
    std::vector<StreamResult> exchange(const std::vector<Stream>& streams,
                                       Duration patience = std::chrono::milliseconds{300});

    StreamResult exchange(const Stream& stream) { return exchange(std::vector{stream}).front(); }

    std::vector<Duration> ping(const std::string& from, const std::string& to, int count,
                               Duration interval, bool v6 = false,
                               Duration patience = std::chrono::milliseconds{500});

    // Nothing comes back. (No path of who asks may take longer than 100 ms there and back.)
    bool is_silent(const std::string& from, const std::string& to, int count = 2) {
        constexpr std::chrono::milliseconds kInterval{10};
        return ping(from, to, count, kInterval, false, std::chrono::milliseconds{200}).empty();
    }

    // Of all interfaces on the way between hosts, with planes that attach to interfaces.
    void set_mtu(std::uint32_t bytes) const;

  private:
    PlaneContext context(std::size_t local_hosts);

    AddressPlan plan_;
    Topology topology_;
    PathFolder folder_;
    std::unique_ptr<Underlay> underlay_;  // of planes that attach to interfaces
    std::map<std::string, std::unique_ptr<TestHost>> hosts_;
    std::vector<FlowStarted> started_;
    std::vector<TableActivated> activated_;
    boost::asio::io_context loop_;
    std::unique_ptr<DataPlane> plane_;
    Activation first_table_;
    std::map<std::string, FileDescriptor> left_;
};

}  // namespace pleat::testing
