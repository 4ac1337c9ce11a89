// Allocation: one solution: what each published flow may have with the demands of all,
// and what any flow could have on top.
#pragma once

#include <span>
#include <vector>

#include "model/demand.hh"
#include "model/demand_machine.hh"
#include "model/entitlements.hh"
#include "model/fair_share.hh"
#include "node/sharing/flow_paths.hh"
#include "wire/state_messages.hh"

namespace pleat {

class Allocation {
  public:
    struct PathTerms {
        FlowTerms terms;
        Bandwidth path = Bandwidth::unlimited();  // its bandwidth
    };

    // `states`: of all machines, in FlowKey order, each flow once. Flows without a path
    // are not in it. `paths` must not change its table while this lives.
    Allocation(FlowPaths& paths, std::span<const FlowState> states);

    Allocation(const Allocation&) = delete;
    Allocation& operator=(const Allocation&) = delete;

    // What `flow` may have: a greedy one its share; any other as much as if it asked for all.
    // Never more than its path's bandwidth. Nothing when no path leads there. Quickest when
    // asked in FlowKey order.
    std::optional<PathTerms> terms(FlowKey flow);

    // Of all flows and their rates, to the last bit.
    std::uint64_t digest() const;

  private:
    std::size_t index(FlowKey flow);  // the number of flows when it is not in it

    FlowPaths& known_paths_;
    FairShare solver_;
    std::vector<FlowKey> flows_;  // ascending
    std::vector<const FlowPath*> paths_;
    std::vector<FlowDemand> demands_;
    std::vector<double> rates_;
    std::optional<Entitlements> entitlements_;  // once somebody asks
    std::size_t next_ = 0;                      // whose index is probably asked for next
};

}  // namespace pleat
