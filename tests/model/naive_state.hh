// The state of a network at an instant, worked out from the whole timeline at once
// instead of step by step.
#pragma once

#include <vector>

#include "model/network_state.hh"

namespace pleat::testing {

class NaiveState {
  public:
    // `timeline` in canonical order; events up to and at `now` have happened.
    NaiveState(const Topology& topology, const std::vector<TimedEvent>& timeline,
               ExperimentTime now);

    const std::vector<LinkState>& links() const { return links_; }

    const std::vector<Sides>& partitions() const { return partitions_; }

  private:
    std::vector<LinkState> links_;
    std::vector<Sides> partitions_;
};

}  // namespace pleat::testing
