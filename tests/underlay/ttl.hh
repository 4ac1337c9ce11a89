// What becomes of a packet's TTL (IPv6: hop limit) on its way between two network namespaces.
#pragma once

#include <optional>
#include <string>

namespace pleat::testing {

// `address` is the receiver's, of either version.
struct Way {
    int from;  // network namespaces
    int to;
    std::string address;
};

// Of a datagram that leaves with `ttl`. Nothing when it does not arrive within a second.
std::optional<int> ttl_on_arrival(const Way& way, int ttl, std::size_t payload = 16);

// Who says "port unreachable" to a datagram with `ttl` to a port that nobody has opened, as the
// first step of a traceroute is; "time exceeded by ADDRESS" when somebody says that. Nothing when
// nobody says anything within a second.
std::optional<std::string> answer_to(const Way& way, int ttl);

}  // namespace pleat::testing
