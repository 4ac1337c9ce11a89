// PeerLink: everything about one other machine but the socket: bytes in, bytes out. What it is
// told may come from anyone; what it makes of it was proved with the key, once, and is whole.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include <sys/uio.h>

#include "node/dataplane/tunnel/greeting.hh"
#include "node/dataplane/tunnel/reassembly.hh"
#include "node/dataplane/tunnel/replay_window.hh"

namespace pleat {

class PeerLink {
  public:
    struct Options {
        MachineNumber own = 0;
        MachineNumber peer = 0;
        TunnelKey key{};
        Salt salt{};  // fresh_salt()
        bool encrypt = false;
        bool ipv6 = false;
    };

    explicit PeerLink(const Options& options);

    // Datagrams of one message, one behind the other: all of `datagram_bytes`, the last may be
    // shorter.
    struct Batch {
        std::span<std::uint8_t> bytes;
        std::size_t datagram_bytes = 0;
    };

    // The message in `pieces`, ready to be sent; valid until the next call. Nothing when the
    // peer has not proved itself. Asserts that it is not empty and at most kMostMessageBytes.
    std::optional<Batch> pack(std::span<const iovec> pieces, Instant now);

    enum class Verdict : std::uint8_t { genuine, malformed, forged, replayed, late };

    struct Received {
        Verdict verdict = Verdict::genuine;
        // Valid until the next call, or as long as the datagram is.
        std::optional<std::span<const std::uint8_t>> message{};
        std::vector<std::uint8_t> answer{};  // a datagram to send; empty: none
    };

    // `header` is what read_header() says of the datagram; `came` is when the kernel had it.
    Received receive(std::span<std::uint8_t> datagram, const DatagramHeader& header, Instant came,
                     Instant now);

    Instant next_hello() const { return greeting_.next(); }

    // At next_hello() or later: the datagrams to send, now.
    std::vector<std::vector<std::uint8_t>> hellos(Instant now);

    // The socket refused a datagram as too large.
    void refused(std::size_t bytes) { greeting_.refused(bytes); }

    bool ready() const { return greeting_.peer().has_value(); }

    std::size_t datagram_bytes(Instant now) const { return greeting_.datagram_bytes(now); }

    std::optional<Duration> round_trip() const { return greeting_.round_trip(); }

    Reassembly& reassembly() { return reassembly_; }

  private:
    Received receive_hello(std::span<std::uint8_t> datagram, Instant came, Instant now);
    void begin_session();

    Options options_;
    TunnelKey hello_out_;
    TunnelKey hello_in_;
    Greeting greeting_;
    std::optional<Salt> session_;  // the peer's salt that the keys are made of
    TunnelKey out_{};
    TunnelKey in_{};
    std::uint64_t counter_ = 0;
    ReplayWindow window_;
    Reassembly reassembly_;
    std::vector<std::uint8_t> packed_;
};

}  // namespace pleat
