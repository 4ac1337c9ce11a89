// Keys of connections between machines (CURVE: Curve25519, as libzmq has it). Whoever
// listens on tcp:// has a key pair that others know the public half of, and a list of the
// keys that may connect; everybody else is refused before a byte of ours is said.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.hh"

namespace pleat {

inline constexpr std::size_t kKeyBytes = 32;

struct KeyPair {
    std::string public_key;  // kKeyBytes each
    std::string secret_key;

    friend bool operator==(const KeyPair&, const KeyPair&) = default;
};

// Throws Failure when this libzmq has no CURVE.
KeyPair make_key_pair();

// The pair of which this is the secret half.
KeyPair pair_of(const std::string& secret_key);

// As 64 hexadecimal digits, and back.
std::string key_text(const std::string& key);
Result<std::string> parse_key(std::string_view text);

// How a listening socket is guarded.
struct Guard {
    KeyPair keys;
    // Asked at each connection, from the loop.
    std::function<bool(const std::string& public_key)> admits;
};

// How a connecting socket shows itself, and whom it expects.
struct Pass {
    KeyPair keys;
    std::string server_key;
};

}  // namespace pleat
