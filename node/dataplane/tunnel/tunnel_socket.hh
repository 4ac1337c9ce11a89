// TunnelSocket: a UDP socket that moves many datagrams in one call: what it sends is cut by the
// kernel (UDP_SEGMENT), what it receives is joined (UDP_GRO). Datagrams are never fragmented
// by IP (DF is set): one that is too large for the way is refused or lost.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include <boost/asio/ip/udp.hpp>

#include "base/clock.hh"
#include "base/file_descriptor.hh"

namespace pleat {

class TunnelSocket {
  public:
    // Of open_tunnel_socket().
    explicit TunnelSocket(FileDescriptor socket);

    int fd() const { return socket_.value(); }

    bool ipv6() const { return ipv6_; }

    enum class Sent : std::uint8_t { all, too_large, refused };

    // Datagrams of `datagram_bytes` each (the last may be shorter), one behind the other. Those
    // of a batch that is refused half-way are lost.
    Sent send(std::span<const std::uint8_t> datagrams, std::size_t datagram_bytes,
              const boost::asio::ip::udp::endpoint& to);

    struct Batch {
        std::span<std::uint8_t> bytes;   // valid until the next call
        std::size_t datagram_bytes = 0;  // of each but the last
        // By the kernel, when the last of them came, on its clock of the day (since 1970).
        std::optional<Duration> stamp{};
    };

    // What has come, from one sender; nothing when nothing has.
    std::optional<Batch> receive();

    // Datagrams that the kernel dropped since the socket was opened, for want of room.
    std::uint64_t overflows() const { return overflows_; }

  private:
    FileDescriptor socket_;
    bool ipv6_;
    std::vector<std::uint8_t> buffer_;
    std::uint32_t overflows_ = 0;
};

// When the network had brought it, or later: never earlier, unless the clock of the day has been
// set since then. Reads both clocks.
Instant came_at(const TunnelSocket::Batch& batch);

}  // namespace pleat
