// What a plane must know to reach hosts of other machines: the tunnel's socket and, for each
// other machine, where it is and which key the two share. See docs/design/tunnel.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/ip/udp.hpp>

#include "base/duration.hh"
#include "base/file_descriptor.hh"
#include "model/ids.hh"

namespace pleat {

// Known to the two machines of a pair and to who gave it to them, for one run.
using TunnelKey = std::array<std::uint8_t, 32>;

// A machine's number in this run, the same everywhere.
using MachineNumber = std::uint16_t;

struct TunnelPeer {
    MachineNumber machine = 0;
    std::string name;  // for messages
    boost::asio::ip::udp::endpoint endpoint;
    TunnelKey key{};
    std::vector<HostId> hosts;
    // One way, as measured: taken off the emulated delay of packets that go there.
    Duration underlay_latency{};
};

struct TunnelSettings {
    MachineNumber machine = 0;  // ours
    FileDescriptor socket;      // of open_tunnel_socket()
    bool encrypt = false;       // what we send; what we receive says it itself
    std::vector<TunnelPeer> peers;
    std::optional<HostId> outside;  // the outside host, when it is a peer's
};

// Whether a peer can be reached; read by DataPlane::peers().
struct TunnelPeerState {
    MachineNumber machine = 0;
    bool ready = false;                    // both have proved that they know the key
    std::uint32_t datagram_bytes = 0;      // the largest UDP payload that got through
    std::optional<Duration> round_trip{};  // the smallest lately
};

// What the tunnel has moved and dropped, by cause.
struct TunnelTotals {
    std::uint64_t datagrams_out = 0;
    std::uint64_t datagrams_in = 0;  // that were genuine
    std::uint64_t packets_out = 0;   // messages: a train of segments each
    std::uint64_t packets_in = 0;
    // Of what we send: the peer has not answered yet, or the socket refused.
    std::uint64_t not_ready_drops = 0;
    std::uint64_t send_drops = 0;
    // Of what we receive, in datagrams.
    std::uint64_t overflow_drops = 0;   // the kernel had no room: this thread came too late
    std::uint64_t malformed_drops = 0;  // too short, of an unknown kind, or contradicts itself
    std::uint64_t unknown_machine_drops = 0;
    std::uint64_t forged_drops = 0;    // not made with the key: also those of an earlier session
    std::uint64_t replayed_drops = 0;  // seen before
    std::uint64_t late_drops = 0;      // so old that it can't be told whether seen before
    // Of what we receive, in messages.
    std::uint64_t incomplete_drops = 0;   // a fragment did not come in time, or no room for it
    std::uint64_t misdirected_drops = 0;  // for a host that is not here, or from one not there
};

// A bound UDP socket as the tunnel wants it. Made apart from the plane, since a plane in a user
// namespace can't open one that leads to the machine's network. Throws std::system_error.
FileDescriptor open_tunnel_socket(const boost::asio::ip::udp::endpoint& local);

// Where it is bound: the port, when the endpoint left it open.
boost::asio::ip::udp::endpoint tunnel_endpoint(const FileDescriptor& socket);

}  // namespace pleat
