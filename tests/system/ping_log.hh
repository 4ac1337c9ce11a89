// What the log of a host says that runs `ping -D`.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace pleat::system_test {

struct Ping {
    double at_s;  // of the wall clock, when it came back
    double rtt_ms;
};

std::vector<Ping> pings(const std::string& text);

// When the first ping was sent whose round trip was longer than this.
std::optional<double> first_sent_slower_than(const std::vector<Ping>& all, double rtt_ms);

}  // namespace pleat::system_test
