// Membership: how a node or an operator belongs to a controller: where that is, its key,
// and the member's own. Begun by a token, which is used once.
//
// The join string holds the controller's address and public key and the secret key of the
// token. A connection with that key may say Join, and nothing else; with it the member
// hands over the public half of a key that it made itself. Who has no key that the
// controller knows can't even finish the handshake.
#pragma once

#include <string>
#include <string_view>

#include "base/duration.hh"
#include "base/result.hh"
#include "wire/keys.hh"

namespace pleat {

// What `pleat machines token` prints.
struct JoinString {
    std::string endpoint;  // tcp://ADDRESS:PORT
    std::string server_key;
    std::string token;  // a secret key
    bool for_operator = false;

    friend bool operator==(const JoinString&, const JoinString&) = default;
};

std::string join_text(const JoinString& join);
Result<JoinString> parse_join(std::string_view text);

struct Membership {
    std::string name;  // of the machine; empty: an operator's
    std::string endpoint;
    std::string server_key;
    KeyPair keys;

    Pass pass() const { return {.keys = keys, .server_key = server_key}; }

    friend bool operator==(const Membership&, const Membership&) = default;
};

// A file of mode 0600 in a directory of mode 0700, which is made. Throws.
void write_membership(const std::string& path, const Membership& membership);

// Fails when it is no such file, or others can read it; the text says what to do.
Result<Membership> read_membership(const std::string& path);

// Talks to the controller, for `patience` at most. Fails with what it said, or with what
// may be the matter when it said nothing.
Result<Membership> join_controller(const JoinString& join, const std::string& name,
                                   Duration patience);

}  // namespace pleat
