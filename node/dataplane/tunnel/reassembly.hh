// Reassembly: puts the fragments of messages together, in whatever order they come.
//
// (1) Memory is bounded: at most kMostPartial messages, each at most kMostMessageBytes, are
//     incomplete; a new one displaces the oldest.
// (2) What is not whole kPatience after its first fragment is given up.
// (3) A fragment that is there already, or contradicts the others, changes nothing.
#pragma once

#include <bitset>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.hh"
#include "node/dataplane/tunnel/datagram.hh"

namespace pleat {

// An IP packet with all that stands in front of it.
constexpr std::size_t kMostMessageBytes = 65535 + 64;

class Reassembly {
  public:
    static constexpr std::size_t kMostPartial = 32;
    static constexpr Duration kPatience = std::chrono::milliseconds{200};

    // The whole message, if this fragment was its last missing one; valid until the next call
    // (or while `body` is). The header is as read_header() lets through.
    std::optional<std::span<const std::uint8_t>> add(const DatagramHeader& header,
                                                     std::span<const std::uint8_t> body,
                                                     Instant now);

    // Gives up what is overdue.
    void expire(Instant now);

    void clear();

    std::size_t partial() const { return partial_.size(); }

    // Messages that were given up since the last call.
    std::uint64_t take_given_up() { return std::exchange(given_up_, 0); }

  private:
    struct Partial {
        std::uint64_t message = 0;
        Instant since;
        std::uint8_t count = 0;
        std::uint16_t fragment_bytes = 0;
        std::uint16_t missing = 0;
        std::size_t bytes = 0;  // of the message; known when the last fragment is there
        std::bitset<256> there;
        std::vector<std::uint8_t> content;
    };

    Partial* find_or_make(const DatagramHeader& header, Instant now);
    void retire(std::size_t index);

    std::vector<Partial> partial_;  // the oldest first
    std::vector<std::vector<std::uint8_t>> spare_;
    std::vector<std::uint8_t> whole_;
    std::uint64_t given_up_ = 0;
};

}  // namespace pleat
