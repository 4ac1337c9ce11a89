// RateReading: how fast a flow's packets left between two looks at its counters.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/clock.hh"
#include "node/dataplane/data_plane.hh"

namespace pleat::testing {

class RateReading {
  public:
    struct Result {
        double bps;
        bool filled;  // packets always waited: the rate is that of the flow's links
    };

    // It begins now.
    RateReading(const DataPlane& plane, std::shared_ptr<const FlowCounters> counters)
        : plane_{plane}, counters_{std::move(counters)} {}

    // Of the time since, less what links owe for it: so long they stood still.
    Result result() const {
        const std::uint64_t bytes = counters_->bytes.load() - bytes_;
        const std::chrono::duration<double> time = monotonic_now() - from_;
        const std::chrono::duration<double> lost = plane_.owed() - owed_;
        return {.bps = 8.0 * static_cast<double>(bytes) / (time - lost).count(),
                .filled = waited() - waited_ > 0.997 * time};
    }

  private:
    Duration waited() const {
        const std::int64_t since = counters_->waiting_since_ns.load();
        const std::int64_t now = monotonic_now().time_since_epoch().count();
        return Duration{counters_->waited_ns.load() + (since == 0 ? 0 : now - since)};
    }

    const DataPlane& plane_;
    std::shared_ptr<const FlowCounters> counters_;
    std::uint64_t bytes_ = counters_->bytes.load();
    Duration waited_ = waited();
    Duration owed_ = plane_.owed();
    Instant from_ = monotonic_now();
};

}  // namespace pleat::testing
