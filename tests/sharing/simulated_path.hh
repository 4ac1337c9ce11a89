// SimulatedPath: one path of a data plane, in steps: a queue of equal packets in front of a
// rate, with the counters that a plane keeps.
#pragma once

#include <memory>

#include "node/dataplane/data_plane.hh"

namespace pleat::testing {

class SimulatedPath {
  public:
    explicit SimulatedPath(std::int64_t packet_bytes) : packet_bytes_{packet_bytes} {}

    // Tells whether there was room.
    bool offer(Instant now, DataSize limit) {
        counters_->last_arrival_ns = now.time_since_epoch().count();
        if ((queued_ + 1) * packet_bytes_ > std::max(limit.bytes(), 10 * packet_bytes_)) {
            ++counters_->queue_drops;
            return false;
        }
        ++queued_;
        update(now);
        return true;
    }

    // How many packets depart in the step that ends at `now`.
    std::int64_t step(Instant now, Duration time, Bandwidth rate) {
        if (queued_ == 0) return 0;
        std::int64_t departed = queued_;
        if (!rate.is_unlimited()) {
            credit_bits_ += static_cast<double>(rate.bits_per_second()) *
                            static_cast<double>(time.count()) * 1e-9;
            const double packet = static_cast<double>(packet_bytes_) * 8.0;
            departed = std::min(queued_, static_cast<std::int64_t>(credit_bits_ / packet));
            credit_bits_ -= static_cast<double>(departed) * packet;
        }
        queued_ -= departed;
        if (queued_ == 0) credit_bits_ = 0.0;
        counters_->bytes += static_cast<std::uint64_t>(departed * packet_bytes_);
        counters_->packets += static_cast<std::uint64_t>(departed);
        update(now);
        return departed;
    }

    // All that waits is lost.
    std::int64_t clear(Instant now) {
        const std::int64_t lost = queued_;
        queued_ = 0;
        credit_bits_ = 0.0;
        update(now);
        return lost;
    }

    std::int64_t queued() const { return queued_; }

    std::int64_t packet_bytes() const { return packet_bytes_; }

    const std::shared_ptr<FlowCounters>& counters() const { return counters_; }

  private:
    void update(Instant now) {
        counters_->queued_bytes = queued_ * packet_bytes_;
        const std::int64_t since = counters_->waiting_since_ns;
        const std::int64_t at = now.time_since_epoch().count();
        if (queued_ >= 2 && since == 0) counters_->waiting_since_ns = at;
        if (queued_ < 2 && since != 0) {
            counters_->waited_ns += at - since;
            counters_->waiting_since_ns = 0;
        }
    }

    std::int64_t packet_bytes_;
    std::int64_t queued_ = 0;
    double credit_bits_ = 0.0;
    std::shared_ptr<FlowCounters> counters_ = std::make_shared<FlowCounters>();
};

}  // namespace pleat::testing
