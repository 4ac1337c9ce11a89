// FlowStates: the published demand of every flow of one publisher, and a digest of it
// by which two can see whether they hold the same.
#pragma once

#include <cstdint>
#include <map>

#include "model/demand.hh"
#include "model/ids.hh"

namespace pleat {

class FlowStates {
  public:
    // "gone" takes the flow out.
    void set(FlowKey flow, DemandState state);

    // gone when unknown.
    DemandState state(FlowKey flow) const;

    bool empty() const { return states_.empty(); }

    // In FlowKey order; none is gone.
    auto begin() const { return states_.begin(); }

    auto end() const { return states_.end(); }

    // Equal states have equal digests, whatever the way they came about.
    std::uint64_t digest() const;

  private:
    std::map<FlowKey, DemandState> states_;
};

}  // namespace pleat
