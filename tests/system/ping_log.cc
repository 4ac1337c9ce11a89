#include "tests/system/ping_log.hh"

#include <algorithm>
#include <regex>
#include <sstream>

namespace pleat::system_test {

std::vector<double> round_trips(const std::string& log) {
    static const std::regex time{R"(time=([0-9.]+) ms)"};
    std::vector<double> found;
    for (auto it = std::sregex_iterator{log.begin(), log.end(), time}; it != std::sregex_iterator{};
         ++it) {
        found.push_back(std::stod((*it)[1]));
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
        result.push_back({std::stod(line.substr(1)), std::stod(line.substr(time + 5))});
    }
    return result;
}

std::optional<double> first_sent_slower_than(const std::vector<Ping>& all, double rtt_ms) {
    for (const Ping& ping : all) {
        if (ping.rtt_ms > rtt_ms) return ping.at_s - ping.rtt_ms / 1000;
    }
    return {};
}

}  // namespace pleat::system_test
