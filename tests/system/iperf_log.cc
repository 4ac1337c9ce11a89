#include "tests/system/iperf_log.hh"

#include <nlohmann/json.hpp>

namespace pleat::system_test {

double settled_mbps(const std::string& log, double from_s) {
    using nlohmann::json;
    const json told = json::parse(log.substr(0, log.rfind('}') + 1), nullptr, false);
    if (told.is_discarded() || !told.contains("intervals")) return 0;
    double sum = 0;
    int count = 0;
    for (const json& each : told.at("intervals")) {
        const json& all = each.at("sum");
        if (all.at("start") < from_s || all.at("seconds") < 0.9) continue;
        sum += all.at("bits_per_second").get<double>() / 1e6;
        ++count;
    }
    return count == 0 ? 0 : sum / count;
}

}  // namespace pleat::system_test
