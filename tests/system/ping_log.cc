#include "tests/system/ping_log.hh"

#include <algorithm>
#include <sstream>

#include "tests/system/patterns.hh"

namespace pleat::system_test {

std::vector<double> round_trips(const std::string& log) {
    std::vector<double> found;
    for (const auto& match : matches(log, R"(time=([0-9.]+) ms)")) {
        found.push_back(std::stod(match[1]));
    }
    std::ranges::sort(found);
    return found;
}

// [1700000000.123456] 64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=12.1 ms
std::vector<Ping> pings(const std::string& text) {
    std::vector<Ping> result;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        const std::size_t time = line.find("time=");
        if (!line.starts_with('[') || time == std::string::npos) continue;
        const std::size_t sequence = line.find("icmp_seq=");
        if (sequence == std::string::npos) continue;
        result.push_back({std::stod(line.substr(1)), std::stod(line.substr(time + 5)),
                          std::stoi(line.substr(sequence + 9))});
    }
    return result;
}

std::vector<Outage> outages(const std::vector<Ping>& all, int pings_lost) {
    std::vector<Outage> result;
    for (std::size_t i = 1; i < all.size(); ++i) {
        if (all[i].sequence - all[i - 1].sequence - 1 < pings_lost) continue;
        result.push_back({all[i - 1].sent_s(), all[i].sent_s()});
    }
    return result;
}

std::optional<double> first_sent_slower_than(const std::vector<Ping>& all, double rtt_ms) {
    for (const Ping& ping : all) {
        if (ping.rtt_ms > rtt_ms) return ping.sent_s();
    }
    return {};
}

}  // namespace pleat::system_test
