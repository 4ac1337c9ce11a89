// HostResults: what became of this node's hosts, as its part of the results says it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "model/addressing.hh"
#include "model/topology.hh"
#include "node/run_recorder.hh"
#include "wire/messages.hh"

namespace pleat {

class HostResults {
  public:
    HostResults(const Topology& topology, const AddressPlan& addresses,
                const std::vector<HostId>& local);

    // Each of a local host.
    void started(HostId host, Instant at);
    void exited(HostId host, std::optional<int> exit_code, const std::string& problem);
    void lost(HostId host, const std::string& problem);

    // By an event, or by the end of the run: its exit code never fails the run.
    void ended_by_us(HostId host);
    bool was_ended_by_us(HostId host) const;
    // An event starts it again.
    void revived(HostId host);

    // In order of ids, in the times of the recorder.
    std::vector<HostResult> all(const RunRecorder& recorder) const;

  private:
    std::map<HostId, HostResult> results_;
    std::map<HostId, Instant> started_at_;
};

}  // namespace pleat
