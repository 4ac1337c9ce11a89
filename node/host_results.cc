#include "node/host_results.hh"

namespace pleat {

HostResults::HostResults(const Topology& topology, const AddressPlan& addresses,
                         const std::vector<HostId>& local) {
    for (const HostId host : local) {
        HostResult& result = results_[host];
        result.host = host;
        result.address = ipv4_text(addresses.ipv4(host));
        result.log = "logs/" + topology.host(host).name + ".log";
    }
}

void HostResults::started(HostId host, Instant at) {
    HostResult& result = results_.at(host);
    result.started = true;
    result.exit_code.reset();
    started_at_[host] = at;
}

void HostResults::exited(HostId host, std::optional<int> exit_code, const std::string& problem) {
    HostResult& result = results_.at(host);
    result.exit_code = exit_code;
    result.problem = problem;
}

void HostResults::lost(HostId host, const std::string& problem) {
    results_.at(host).problem = problem;
}

void HostResults::ended_by_us(HostId host) {
    results_.at(host).ended_by_us = true;
}

bool HostResults::was_ended_by_us(HostId host) const {
    return results_.at(host).ended_by_us;
}

void HostResults::revived(HostId host) {
    results_.at(host).ended_by_us = false;
}

std::vector<HostResult> HostResults::all(const RunRecorder& recorder) const {
    std::vector<HostResult> results;
    results.reserve(results_.size());
    for (const auto& [host, result] : results_) {
        results.push_back(result);
        const auto started = started_at_.find(host);
        if (started != started_at_.end() && recorder.begun()) {
            results.back().started_at = recorder.at(started->second);
        }
    }
    return results;
}

}  // namespace pleat
