// Fair share: the exact weighted max-min allocation of links to flows with demands, by
// water-filling. The weight of a flow is 1/RTT (RTT-aware min-max of the thesis, 4.2).
//
// The result is a pure function of its input in flow order, bit for bit on every
// machine (compiled with -ffp-contract=off).
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "model/ids.hh"
#include "model/units.hh"

namespace pleat {

inline constexpr double kUnlimitedRate = std::numeric_limits<double>::infinity();

// 1/max(rtt, 100 us), per second.
double flow_weight(Duration rtt);

// Rates and capacities in bits per second; infinity: without limit.
struct FlowDemand {
    std::span<const LinkId> links;   // each at most once
    double weight = 1.0;             // positive
    double demand = kUnlimitedRate;  // infinity: greedy
};

class FairShare {
  public:
    // `capacities` by LinkId, positive.
    explicit FairShare(std::vector<double> capacities);

    void set_capacity(LinkId link, double bits_per_second);

    std::span<const double> capacities() const { return capacities_; }

    // The rate of each flow, in their order. A greedy flow over unlimited links only
    // gets infinity.
    std::vector<double> solve(std::span<const FlowDemand> flows);

    // Of the last solve(): which of its flows cross a link, ascending, and their weight together.
    // Nobody, and 0, for a link without limit.
    std::span<const std::uint32_t> flows_of(LinkId link) const;
    double weight_of(LinkId link) const;

    // The rate that a new greedy flow of `weight` over `links` would get, the others
    // demanding what they now have in `rates` (and no less than that is theirs). `flows` and
    // `rates` are those of the last solve(). `except`: the index of a flow to leave out (the
    // flow itself), or flows.size().
    // For many questions about the same rates, see Entitlements.
    double entitlement(std::span<const FlowDemand> flows, std::span<const double> rates,
                       std::span<const LinkId> links, double weight, std::size_t except) const;

  private:
    // A link of limited capacity that some flow of the present solve() crosses.
    struct Load {
        LinkId link;
        double remaining;     // capacity not yet given to frozen flows
        double weight;        // of the flows not yet frozen
        double total;         // weight of all
        std::uint32_t count;  // of the flows not yet frozen: says when it is empty, for
                              // `weight` may keep a residue
        std::uint32_t first;  // its flows are flows_of_links_[first, last)
        std::uint32_t last;
    };

    void collect_loads(std::span<const FlowDemand> flows);
    void freeze(std::uint32_t flow, double weight, double rate);

    std::span<const std::uint32_t> loads_of(std::uint32_t flow) const {
        return std::span{loads_of_flows_}.subspan(first_load_[flow],
                                                  first_load_[flow + 1] - first_load_[flow]);
    }

    std::vector<double> capacities_;
    // Of the last solve().
    std::vector<std::uint32_t> load_of_link_;  // by LinkId; kNoLoad
    std::vector<Load> loads_;
    std::vector<std::uint32_t> flows_of_links_;
    std::vector<std::uint32_t> first_load_;  // flow i's are [first_load_[i], first_load_[i + 1])
    std::vector<std::uint32_t> loads_of_flows_;
};

}  // namespace pleat
