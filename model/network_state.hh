// NetworkState: the topology as it is at one instant, after the events so far.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "model/event.hh"
#include "model/topology.hh"

namespace pleat {

// What of a link varies. `up` is the effective state: its own, its ends', partitions'.
struct LinkState {
    LinkProperties properties;
    bool up = true;

    friend auto operator<=>(const LinkState&, const LinkState&) = default;
};

// For each host the side of one partition it is on; 0: not concerned.
using Sides = std::vector<std::uint32_t>;

class NetworkState {
  public:
    explicit NetworkState(const Topology& topology);  // the topology must outlive it

    // Applies the events of one instant (their order does not matter: canonical()
    // order is used) and tells which links' states changed, ascending.
    std::vector<LinkId> apply(std::span<const TimedEvent> simultaneous);

    std::span<const LinkState> links() const { return links_; }

    // The partitions in force.
    const std::vector<Sides>& partitions() const { return partitions_; }

  private:
    // Declared by the builder of network_state.cc; add private members as needed.
    const Topology* topology_;
    std::vector<LinkState> links_;
    std::vector<Sides> partitions_;
};

}  // namespace pleat
