// Entitlements: how much a flow could have if it asked for all, given what the others
// have now. It is the cap of a flow that is limited or not yet known, so that a burst
// is not throttled to yesterday's demand.
//
// (1) On each link of the flow: the others demand their present rate, the flow all; the
//     link is filled with water. The entitlement is the least over its links, and
//     exactly the max-min rate of the flow in that problem: no other can grow, and
//     only the flow itself can make one shrink.
// (2) It is at least the flow's present rate, and at least what each of its links would
//     give it if all its flows were greedy.
// (3) Against a new solution of the whole problem with the flow greedy it may differ
//     when a flow that loses to it frees a third link, on which a fourth one grows and
//     meets the flow again. (In random problems: see tests/sharing/test_fair_share.cc.)
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "model/fair_share.hh"

namespace pleat {

class Entitlements {
  public:
    // `rates`: of `flows`, by FairShare::solve with these `capacities`, which must live
    // as long as this.
    Entitlements(std::span<const double> capacities, std::span<const FlowDemand> flows,
                 std::span<const double> rates);

    // The same for flows over no other than these links.
    Entitlements(std::span<const double> capacities, std::span<const FlowDemand> flows,
                 std::span<const double> rates, std::span<const LinkId> only);

    // Of a flow of `weight` over `links`. `except`: the index of a flow to leave out (the
    // flow itself), or the number of flows. Infinity when no link limits it.
    double of(std::span<const LinkId> links, double weight, std::size_t except) const;

  private:
    // A flow of a link. `rate_before` and `weight_before` are the sums over those that
    // come before it, in the order of their levels.
    struct Use {
        double level;  // rate per weight
        double rate;
        double weight;
        double rate_before;
        double weight_before;
        std::uint32_t flow;
    };

    void add(LinkId link, const FlowDemand& flow, double rate, std::size_t index);
    void sort();
    double level_of(double capacity, std::span<const Use> uses, double weight,
                    std::size_t except) const;

    std::span<const double> capacities_;
    std::unordered_map<LinkId, std::vector<Use>> uses_;  // of limited links; looked up only
};

}  // namespace pleat
