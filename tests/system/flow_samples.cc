#include "tests/system/flow_samples.hh"

#include <algorithm>

namespace pleat::system_test {

std::vector<FlowSample> flow_samples(const nlohmann::json& result, const std::string& source,
                                     double from, double to) {
    std::vector<FlowSample> found;
    for (const nlohmann::json& flow : result.at("flows")) {
        if (flow.at("src") != source) continue;
        for (std::size_t i = 0; i < flow.at("t_s").size(); ++i) {
            const double at = flow.at("t_s")[i];
            if (at < from || at > to || flow.at("allowed_bps")[i].is_null()) continue;
            found.push_back({flow.at("allowed_bps")[i].get<double>() / 1e6,
                             flow.at("measured_bps")[i].get<double>() / 1e6});
        }
    }
    return found;
}

double median_allowed_mbps(const std::vector<FlowSample>& samples) {
    std::vector<double> allowed;
    allowed.reserve(samples.size());
    for (const FlowSample& sample : samples) allowed.push_back(sample.allowed_mbps);
    std::ranges::sort(allowed);
    return allowed.empty() ? 0 : allowed[allowed.size() / 2];
}

}  // namespace pleat::system_test
