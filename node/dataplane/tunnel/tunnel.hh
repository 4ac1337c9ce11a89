// Tunnel: the way from this machine's plane to those of other machines. Packets of hosts go in
// at one end and come out at the other: whole, once, or not at all. Of the packet thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include <sys/uio.h>

#include "node/dataplane/tunnel/peer_link.hh"
#include "node/dataplane/tunnel/tunnel_socket.hh"

namespace pleat {

// Written by the packet thread, read by the main thread: TunnelTotals and TunnelPeerStates.
struct TunnelTally {
    struct Peer {
        std::atomic<bool> ready{false};
        std::atomic<std::uint32_t> datagram_bytes{0};
        std::atomic<std::int64_t> round_trip_ns{0};  // 0: not known
    };

    explicit TunnelTally(std::size_t count) : peers(count) {}

    TunnelTotals totals() const;

    // Of the peer of this place, which is this machine.
    TunnelPeerState state(std::size_t peer, MachineNumber machine) const;

    std::vector<Peer> peers;
    std::atomic<std::uint64_t> datagrams_out{0};
    std::atomic<std::uint64_t> datagrams_in{0};
    std::atomic<std::uint64_t> packets_out{0};
    std::atomic<std::uint64_t> packets_in{0};
    std::atomic<std::uint64_t> not_ready_drops{0};
    std::atomic<std::uint64_t> send_drops{0};
    std::atomic<std::uint64_t> overflow_drops{0};
    std::atomic<std::uint64_t> malformed_drops{0};
    std::atomic<std::uint64_t> unknown_machine_drops{0};
    std::atomic<std::uint64_t> forged_drops{0};
    std::atomic<std::uint64_t> replayed_drops{0};
    std::atomic<std::uint64_t> late_drops{0};
    std::atomic<std::uint64_t> incomplete_drops{0};
    std::atomic<std::uint64_t> misdirected_drops{0};
};

class Tunnel {
  public:
    // `tally` has a place for each peer and must outlive it. Asserts that no machine and no host
    // is named twice.
    Tunnel(TunnelSettings settings, TunnelTally& tally);

    int fd() const { return socket_.fd(); }

    // As they were when the tunnel was made.
    std::span<const TunnelPeer> peers() const { return settings_.peers; }

    std::optional<HostId> outside() const { return settings_.outside; }

    bool reaches(HostId host) const { return peer_of_host_.contains(host); }

    // What a TUN device of the destination would be written: virtio header and IP packet. False
    // when it was dropped (and counted).
    bool send(HostId source, HostId destination, std::span<const iovec> packet, Instant now);

    struct Arrival {
        HostId source;
        HostId destination;
        std::span<const std::uint8_t> packet;  // as it was sent
    };

    // Reads what has come, up to a budget; the packets are given to `take`, which answers whether
    // they are for this machine.
    void receive(Instant now, const std::function<bool(const Arrival&)>& take);

    // When greet() wants to be called.
    Instant next() const;

    // Reads the clock itself where it says when something is sent.
    void greet(Instant now);

  private:
    struct Peer {
        PeerLink link;
        boost::asio::ip::udp::endpoint endpoint;
    };

    void handle(std::span<std::uint8_t> datagram, const TunnelSocket::Batch& batch, Instant now,
                const std::function<bool(const Arrival&)>& take);
    void publish(std::size_t peer, Instant now);

    TunnelSettings settings_;
    TunnelTally& tally_;
    TunnelSocket socket_;
    std::vector<Peer> peers_;
    std::unordered_map<MachineNumber, std::size_t> peer_of_machine_;
    std::unordered_map<HostId, std::size_t> peer_of_host_;
};

}  // namespace pleat
