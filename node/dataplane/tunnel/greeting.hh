// Greeting: how two machines make sure that the other is there, now, and knows the key; and
// what they learn of the way between them.
//
// (1) Each has a salt that it chose when it started. A hello carries the sender's, and as an echo
//     the one that it last saw of the other.
// (2) Who hears its own salt back knows that the hello is of now, and that the salt in it is the
//     other's: the pair of salts is the session. A hello recorded before we started never has
//     the echo; one recorded since names a salt that is in use, or one that was given up, which is
//     never taken up again.
// (3) A hello that asks is answered; the answer asks in turn as long as the other has not proved
//     itself. Three hellos make a session, however many are lost before.
// (4) A hello is padded to a size; an answer names the size that came. The largest that came lately
//     is what datagrams may have. Of hellos and answers at most kMostAnswers a second are answered.
// (5) An answer names the stamp of the hello that it answers, and how long that was kept, from
//     the kernel's stamp of its receipt on. What is left of the round trip is the network's
//     (model/way_latency.hh). Of a hello only the first answer counts: repeating one says nothing.
// (6) When the session is new, hellos go out every kQuickly, kQuickHellos times, then every
//     kSlowly; those that measure are as small as can be. Beside them all sizes are tried, with
//     the first few and then every kSizesEvery.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.hh"
#include "model/way_latency.hh"
#include "node/dataplane/tunnel/datagram.hh"

namespace pleat {

struct Hello {
    Salt salt{};
    Salt echo{};  // zeros: none seen yet
    bool asks = false;
    Instant stamp{};               // sender's clock
    Instant echo_stamp{};          // of the hello that this answers
    std::uint16_t echo_bytes = 0;  // its size, as it came; 0: this is no answer
    Duration held{};               // from its receipt to `stamp`

    friend bool operator==(const Hello&, const Hello&) = default;
};

// A whole datagram of `bytes` with the hello in it, padded and proved with the key.
std::vector<std::uint8_t> encode_hello(const Hello& hello, MachineNumber sender, std::size_t bytes,
                                       const TunnelKey& key);

// Nothing when it was not made with the key.
std::optional<Hello> decode_hello(std::span<std::uint8_t> datagram, const TunnelKey& key);

constexpr std::size_t kLeastHelloBytes = 112;

// The UDP payloads that are tried, from the one that every IPv6 link carries; `ipv6`: how large
// the IP header is.
std::vector<std::size_t> probe_sizes(bool ipv6);

class Greeting {
  public:
    static constexpr int kMostAnswers = 200;
    static constexpr Duration kQuickly = std::chrono::milliseconds{50};
    static constexpr int kQuickHellos = 40;
    static constexpr Duration kSlowly = std::chrono::seconds{1};
    static constexpr Duration kSizesEvery = std::chrono::seconds{5};

    Greeting(Salt own, std::vector<std::size_t> sizes);

    // A hello was received, and came at `came`, by the kernel: what to answer at `now`, if
    // anything.
    std::optional<Hello> receive(const Hello& hello, std::size_t bytes, Instant came, Instant now);

    // When the next hello is due.
    Instant next() const { return next_; }

    // To be sent once for each size, in order.
    struct Question {
        Hello hello;
        std::span<const std::size_t> sizes;
    };

    Question ask(Instant now);

    // The other has proved itself; with the salt of the session. Empty before.
    const std::optional<Salt>& peer() const { return peer_; }

    const Salt& own() const { return own_; }

    // What datagrams may have at `now`: the least when nothing came lately.
    std::size_t datagram_bytes(Instant now) const;

    // The socket refused a datagram of this size: the way has become narrower.
    void refused(std::size_t bytes);

    // What the network between the two takes, there and back; empty until it is known.
    std::optional<Duration> round_trip() const { return latency_.round_trip(); }

  private:
    Salt own_;
    std::vector<std::size_t> sizes_;
    std::vector<std::size_t> least_and_sizes_;
    std::vector<std::optional<Instant>> came_;  // by size, when it last did
    std::optional<Salt> peer_;
    std::vector<Salt> given_up_;  // one each time that the other started anew
    Instant next_{};
    Instant next_sizes_{};
    int asked_ = 0;  // since the session began
    Instant answers_since_{};
    int answers_ = 0;
    Instant measured_{};  // stamp of the last hello whose answer was counted
    WayLatency latency_;
};

}  // namespace pleat
