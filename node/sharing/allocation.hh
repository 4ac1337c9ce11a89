// Allocation: one solution: what each published flow may have with the demands of all,
// and what any flow could have on top.
#pragma once

#include <span>
#include <vector>

#include "model/demand.hh"
#include "model/entitlements.hh"
#include "model/fair_share.hh"
#include "node/sharing/flow_paths.hh"
#include "wire/messages.hh"

namespace pleat {

class Allocation {
  public:
    // `states`: of all machines, in FlowKey order, each flow once. Flows without a path
    // are not in it. `paths` must not change its table while this lives.
    Allocation(FlowPaths& paths, std::span<const FlowState> states);

    Allocation(const Allocation&) = delete;
    Allocation& operator=(const Allocation&) = delete;

    // What `flow` over `path` may have: a greedy one its share; any other as much as if
    // it asked for all. Never more than its path's bandwidth.
    Bandwidth allowed(FlowKey flow, const FlowPath& path) const;

    // Of all flows and their rates, to the last bit.
    std::uint64_t digest() const;

  private:
    std::size_t index(FlowKey flow) const;  // the number of flows when it is not in it

    std::vector<double> capacities_;
    std::vector<FlowKey> flows_;  // ascending
    std::vector<FlowDemand> demands_;
    std::vector<double> rates_;
    std::optional<Entitlements> entitlements_;
};

}  // namespace pleat
