// FlowBook: the accounts of all flows of the netem plane, and which of them are worth reading.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <unordered_map>

#include "node/dataplane/netem/local_host.hh"

namespace pleat {

class FlowBook {
  public:
    // Whether a packet of it has ever come.
    bool knows(FlowKey flow) const { return accounts_.contains(flow); }

    // The path of a flow, if it is known, has chances from now on.
    void may_lose(FlowKey flow);

    // A packet has come after silence.
    std::shared_ptr<const FlowCounters> start(FlowKey flow, Instant at, bool has_chances);

    // A flow that an earlier plane knew; it counts in totals() from the next reading on.
    void recall(FlowKey flow, Instant last_arrival, bool may_lose);

    // Nothing of the host's flows can be read any more; they keep what they have.
    void host_gone(HostId source);

    // Brings the accounts of the active flows up to now; nothing is there for hosts that are gone.
    void read(const std::function<LocalHost*(HostId)>& find, Instant now);

    // Sums of what flows have done.
    PlaneTotals totals() const;

  private:
    std::unordered_map<FlowKey, FlowAccount> accounts_;
    std::set<FlowKey> active_;
};

}  // namespace pleat
