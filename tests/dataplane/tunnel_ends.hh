// TunnelEnds: two PeerLinks, and between them a network that a test can make as bad as it likes.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "node/dataplane/tunnel/peer_link.hh"

namespace pleat::testing {

using Datagram = std::vector<std::uint8_t>;

class TunnelEnds {
  public:
    explicit TunnelEnds(bool encrypt = false, TunnelKey key_of_b = {7}) {
        ends[0].emplace(PeerLink::Options{
            .own = 1, .peer = 2, .key = {7}, .salt = fresh_salt(), .encrypt = encrypt});
        ends[1].emplace(PeerLink::Options{
            .own = 2, .peer = 1, .key = key_of_b, .salt = fresh_salt(), .encrypt = encrypt});
    }

    // As if the plane there had been closed and opened again.
    void restart(std::size_t end) {
        ends[end].emplace(PeerLink::Options{.own = static_cast<MachineNumber>(end + 1),
                                            .peer = static_cast<MachineNumber>(2 - end),
                                            .key = {7},
                                            .salt = fresh_salt()});
    }

    // A datagram comes to `end`: what it says, with the message copied.
    PeerLink::Verdict come(std::size_t end, Datagram datagram) {
        const auto header = read_header(datagram);
        if (!header) return PeerLink::Verdict::malformed;
        PeerLink::Received received = ends[end]->receive(datagram, *header, now - waited, now);
        if (received.message) {
            messages[end].emplace_back(received.message->begin(), received.message->end());
        }
        if (!received.answer.empty()) sent.push_back({end, std::move(received.answer)});
        return received.verdict;
    }

    // The datagrams of one message.
    std::vector<Datagram> pack(std::size_t end, std::span<const std::uint8_t> message) {
        std::vector<std::uint8_t> copy{message.begin(), message.end()};
        // In pieces, as packets are.
        const std::size_t half = copy.size() / 3;
        std::vector<iovec> pieces;
        if (half > 0) pieces.push_back({copy.data(), half});
        pieces.push_back({copy.data() + half, copy.size() - half});
        std::vector<Datagram> all;
        const auto batch = ends[end]->pack(pieces, now);
        if (!batch) return all;
        for (std::span<std::uint8_t> rest = batch->bytes; !rest.empty();) {
            const std::size_t bytes = std::min(batch->datagram_bytes, rest.size());
            all.emplace_back(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(bytes));
            rest = rest.subspan(bytes);
        }
        return all;
    }

    // Lets hellos go both ways for a time; `passes`: whether a datagram comes through.
    void greet(Duration time, const std::function<bool(const Datagram&)>& passes) {
        for (const Instant end = now + time; now < end; now += std::chrono::milliseconds{10}) {
            for (std::size_t from = 0; from < 2; ++from) {
                if (ends[from]->next_hello() > now) continue;
                for (Datagram& one : ends[from]->hellos(now)) {
                    sent.push_back({from, std::move(one)});
                }
            }
            while (!sent.empty()) {
                const Sent one = std::move(sent.front());
                sent.erase(sent.begin());
                history.push_back(one);
                if (passes(one.datagram)) come(1 - one.from, one.datagram);
            }
        }
    }

    // Over a way that carries what Ethernet does.
    void greet() {
        greet(std::chrono::milliseconds{200},
              [](const Datagram& one) { return one.size() <= 1472; });
    }

    struct Sent {
        std::size_t from;
        Datagram datagram;
    };

    std::array<std::optional<PeerLink>, 2> ends;
    std::array<std::vector<Datagram>, 2> messages;  // that came whole
    std::vector<Sent> sent;                         // under way
    std::vector<Sent> history;                      // all hellos and answers
    Instant now{std::chrono::hours{1}};
    Duration waited{};  // how long what comes has been there when it is seen
};

inline Datagram random_message(std::mt19937_64& random, std::size_t bytes) {
    Datagram message(bytes);
    for (std::uint8_t& byte : message) byte = static_cast<std::uint8_t>(random());
    return message;
}

}  // namespace pleat::testing
