// What the document of a run says of one flow in a time.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace pleat::system_test {

struct FlowSample {
    double allowed_mbps = 0;
    double measured_mbps = 0;
};

// Between two times of the experiment, in s, of all flows of this host; samples without a limit
// are left out.
std::vector<FlowSample> flow_samples(const nlohmann::json& result, const std::string& source,
                                     double from, double to);

// Of these; 0 when there is none.
double median_allowed_mbps(const std::vector<FlowSample>& samples);

}  // namespace pleat::system_test
