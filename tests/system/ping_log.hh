// What the log of a host says that runs `ping`.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace pleat::system_test {

// In ms, ascending; of other lines nothing.
std::vector<double> round_trips(const std::string& log);

// Of `ping -D`.
struct Ping {
    double at_s;  // of the wall clock, when it came back
    double rtt_ms;
};

std::vector<Ping> pings(const std::string& text);

// When the first ping was sent whose round trip was longer than this.
std::optional<double> first_sent_slower_than(const std::vector<Ping>& all, double rtt_ms);

}  // namespace pleat::system_test
