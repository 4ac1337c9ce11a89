// Datagram: what travels between two machines in one UDP datagram, and the key work on it.
//
//     kind 1 | index 1 | count 1 | 0 | sender 2 | fragment bytes 2 | counter 8 | body | tag 16
//
// Numbers are in network byte order.
// (1) The tag (Poly1305 of ChaCha20-Poly1305, RFC 8439) covers all before it; `sealed` bodies are
//     encrypted, too. The nonce is the counter, which a sender never uses twice with one key.
// (2) Each direction of each session has its own key, derived from the pair's key, both
//     machines' numbers and a random salt of each (BLAKE2b): a datagram of another run, session,
//     machine or direction is as good as forged.
// (3) Fragments of one message have consecutive counters: counter - index names the message. All
//     but the last hold `fragment bytes` of it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "node/dataplane/tunnel/settings.hh"

namespace pleat {

enum class DatagramKind : std::uint8_t { data = 0x11, sealed_data = 0x12, hello = 0x13 };

struct DatagramHeader {
    DatagramKind kind = DatagramKind::data;
    std::uint8_t index = 0;
    std::uint8_t count = 1;
    MachineNumber sender = 0;
    std::uint16_t fragment_bytes = 0;
    std::uint64_t counter = 0;

    friend bool operator==(const DatagramHeader&, const DatagramHeader&) = default;
};

constexpr std::size_t kDatagramHeaderBytes = 16;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kDatagramOverhead = kDatagramHeaderBytes + kTagBytes;
// The largest UDP payload over IPv4.
constexpr std::size_t kMostDatagramBytes = 65507;

// `to` has room for kDatagramHeaderBytes.
void write_header(const DatagramHeader& header, std::uint8_t* to);

// Nothing when it is too short, of an unknown kind, or contradicts itself.
std::optional<DatagramHeader> read_header(std::span<const std::uint8_t> datagram);

// What each machine chooses anew whenever its plane starts.
using Salt = std::array<std::uint8_t, 16>;

// Of the datagrams from `sender` to `receiver` in the session of these two salts.
TunnelKey session_key(const TunnelKey& pair, MachineNumber sender, MachineNumber receiver,
                      const Salt& of_sender, const Salt& of_receiver);

// Of the hellos from `sender` to `receiver`.
TunnelKey hello_key(const TunnelKey& pair, MachineNumber sender, MachineNumber receiver);

// The datagram has its header, its body, and room for the tag: encrypts the body if its kind says
// so, and writes the tag.
void seal(std::span<std::uint8_t> datagram, const DatagramHeader& header, const TunnelKey& key);

// The body of a genuine datagram, decrypted in place; nothing when it was not made with the key.
std::optional<std::span<std::uint8_t>> unseal(std::span<std::uint8_t> datagram,
                                              const DatagramHeader& header, const TunnelKey& key);

// Random bytes that nobody can foresee.
Salt fresh_salt();

}  // namespace pleat
