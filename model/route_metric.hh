// RouteMetric: what shortest paths minimise, as one integer that adds up along a path.
//
//   latency:  latency in ns << 16 | hops          hops:  hops << 48 | latency in ns
//
// (1) Every link counts one hop, so keys are positive also on links without latency and
//     a path never runs in a circle.
// (2) Sums never overflow: a path visits each bridge once, and for the choice of paths a
//     link counts at most its part of 2^48 ns (78 hours over all links of the longest
//     path; 70 s a link with 4000 bridges). What packets suffer is not limited.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "model/network_state.hh"
#include "model/scenario.hh"

namespace pleat {

using RouteKey = std::uint64_t;

// Greater than the key of any path.
constexpr RouteKey kNoRoute = std::numeric_limits<RouteKey>::max();

class RouteMetric {
  public:
    RouteMetric(Routing routing, std::size_t bridges)
        : routing_{routing},
          most_ns_{((std::int64_t{1} << 48) - 1) / (static_cast<std::int64_t>(bridges) + 2)} {}

    // kNoRoute when the link is down.
    RouteKey key(const LinkState& link) const {
        if (!link.up) return kNoRoute;
        const std::int64_t counted =
            std::clamp<std::int64_t>(link.properties.latency.count(), 0, most_ns_);
        const auto ns = static_cast<std::uint64_t>(counted);
        return routing_ == Routing::latency ? (ns << 16) | 1 : (std::uint64_t{1} << 48) | ns;
    }

  private:
    Routing routing_;
    std::int64_t most_ns_;
};

}  // namespace pleat
