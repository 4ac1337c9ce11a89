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
    int sequence;

    double sent_s() const { return at_s - rtt_ms / 1000; }
};

std::vector<Ping> pings(const std::string& text);

// Where at least `pings_lost` in a row did not come back: from when the one before was sent to when
// the one after was.
struct Outage {
    double from_s;
    double to_s;
};

std::vector<Outage> outages(const std::vector<Ping>& all, int pings_lost);

// When the first ping was sent whose round trip was longer than this.
std::optional<double> first_sent_slower_than(const std::vector<Ping>& all, double rtt_ms);

}  // namespace pleat::system_test
