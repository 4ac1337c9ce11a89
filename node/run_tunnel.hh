// RunTunnel: one run's ways from this node's plane to those of its peers: made of what the
// controller told, then watched: are they open, and how long do they take? The tunnel itself is
// node/dataplane/tunnel.
//
// (1) A machine's number is its place among the names of all machines of the run.
// (2) A way is open when both ends have proved that they know the key, and its round trip has been
//     measured.
// (3) Half the round trip is taken off what the plane delays, from before T0 to the end. What is
//     measured, and when another measure counts, is said in model/way_latency.hh.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/result.hh"
#include "node/dataplane/data_plane.hh"
#include "node/repeating_timer.hh"
#include "wire/messages.hh"

namespace pleat {

struct PortRange {
    std::uint16_t first = 0;  // 0: any that is free
    std::uint16_t last = 0;

    friend bool operator==(const PortRange&, const PortRange&) = default;
};

// "7500-7599", or one port.
Result<PortRange> parse_port_range(std::string_view text);

// Binds a tunnel's socket to an address of this machine (empty: the loopback's; in brackets if it
// is IPv6). Throws Failure when no port is free.
FileDescriptor open_tunnel_end(const std::string& address, PortRange ports);

// Binds it where it was before: the peers know no other place. Throws Failure when that can't be.
FileDescriptor reopen_tunnel_end(const std::string& endpoint);

// "10.0.0.1:7500", "[fd00::1]:7500", and back.
std::string endpoint_text(const boost::asio::ip::udp::endpoint& endpoint);
Result<boost::asio::ip::udp::endpoint> parse_endpoint(std::string_view text);

// Of rule (1): of the machine `name` in a run of `node` and these others.
MachineNumber machine_number(const std::string& name, const std::string& node,
                             const std::vector<Peer>& peers);

// Nothing when no peer has an end. Throws Failure when one makes no sense.
std::optional<TunnelSettings> tunnel_settings(const std::string& node,
                                              const std::vector<Peer>& peers,
                                              const Scenario& scenario, bool encrypt,
                                              FileDescriptor socket);

class RunTunnel {
  public:
    // `plane` must outlive it. `opened` is told once, when all ways are open (not where that is so
    // from the start); `warn` once, of ways that are not open after a while.
    RunTunnel(boost::asio::io_context& loop, DataPlane& plane, const std::vector<Peer>& peers,
              std::function<void()> opened, std::function<void(const std::string&)> warn);

    bool open() const { return open_; }

    // What the network to each peer takes, there and back, of those that are known.
    std::vector<std::pair<std::string, Duration>> round_trips() const;

    // A sentence about the paths between `node` (us) and peers with later names that are asked to
    // be quicker than the way there is; empty when there are none, or too many hosts to look at
    // all.
    std::string too_quick_paths(const std::string& node, const PathFolder& folder,
                                const PathTable& table) const;

  private:
    struct Way {
        std::string name;
        std::string endpoint;
        std::vector<HostId> hosts;
        std::optional<Duration> round_trip;
        std::optional<Duration> told;  // to the plane
    };

    void look(Instant now);
    void warn_if_late(Instant now);

    DataPlane& plane_;
    std::function<void()> opened_;
    std::function<void(const std::string&)> warn_;
    std::vector<Way> ways_;  // as DataPlane::peers()
    bool open_;
    Instant began_;
    bool warned_ = false;
    RepeatingTimer timer_;
};

}  // namespace pleat
