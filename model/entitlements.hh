// Entitlements: how much a flow could have if it asked for all, given what the others
// have now. It is the cap of a flow that is limited or not yet known, so that a burst
// is not throttled to yesterday's demand.
//
// (1) On each link of the flow: the others demand their present rate, the flow all; the
//     link is filled with water. The entitlement is the least over its links.
// (2) It is exactly the rate of a new max-min solution with this flow greedy. For let the
//     water rise to the level at which the flow's first link is full: until then the
//     two solutions are filled alike, since no link of the flow is full in either. Who
//     stopped below that level has the same rate in both; who did not has at least
//     level x weight now, and just that then, if it crosses the full link.
// (3) So it is never less than the flow's present rate.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "model/fair_share.hh"

namespace pleat {

class Entitlements {
  public:
    // `rates` are of `flows`, by the last solve() of `solver`. All three must live as long as
    // this, and the solver must not solve anything else.
    Entitlements(const FairShare& solver, std::span<const FlowDemand> flows,
                 std::span<const double> rates);

    // Of a flow of `weight` over `links`. `except`: the index of a flow to leave out (the
    // flow itself), or the number of flows. Infinity when no link limits it.
    // The flows of a link are put in order when it is first asked for.
    double of(std::span<const LinkId> links, double weight, std::size_t except);

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

    std::span<const Use> uses_of(LinkId link);

    std::span<const Use>::iterator find(std::span<const Use> uses, std::size_t flow) const;
    double on(LinkId link, double weight, std::size_t except);
    double level_of(double capacity, std::span<const Use> uses, double weight,
                    std::size_t except) const;

    struct Place {
        std::uint32_t first = 0;
        std::uint32_t count = 0;
        bool asked = false;
    };

    const FairShare& solver_;
    std::span<const FlowDemand> flows_;
    std::span<const double> rates_;
    std::vector<double> levels_;  // by flow
    std::vector<Use> uses_;       // of the links that were asked for, by level
    std::vector<Place> places_;   // by LinkId: where its uses are
    std::vector<std::pair<double, std::uint32_t>> order_;  // scratch: levels and flows
};

}  // namespace pleat
