// Lateness: how late something happened, counted in buckets that grow by a fourth. One
// thread records; others read quantiles at any time; one of them may take the worst.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>

#include "base/duration.hh"
#include "node/dataplane/single_writer.hh"

namespace pleat {

class Lateness {
  public:
    void record(Duration late) {
        const auto ns = static_cast<std::uint64_t>(std::max<Duration::rep>(late.count(), 0));
        add<std::uint64_t>(counts_[bucket(ns)], 1);
        if (ns > max_.load(std::memory_order_relaxed)) put(max_, ns);
        if (const auto worst = static_cast<std::int64_t>(ns);
            worst > worst_.load(std::memory_order_relaxed)) {
            put(worst_, worst);
        }
    }

    // At least this share of what was recorded was no later than the answer, which is at
    // most a fourth too high. Zero when nothing was recorded.
    Duration quantile(double share) const {
        std::uint64_t all = 0;
        for (const auto& count : counts_) all += count.load(std::memory_order_relaxed);
        if (all == 0) return Duration::zero();
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i].load(std::memory_order_relaxed);
            if (static_cast<double>(seen) >= share * static_cast<double>(all)) {
                return std::min(upper_bound(i), max());
            }
        }
        return max();
    }

    Duration max() const {
        return Duration{static_cast<Duration::rep>(max_.load(std::memory_order_relaxed))};
    }

    // The largest that was recorded since this was called last. What is recorded meanwhile is in
    // this answer or in the next.
    std::optional<Duration> take_worst() {
        const std::int64_t ns = worst_.exchange(kNone, std::memory_order_relaxed);
        if (ns == kNone) return std::nullopt;
        return Duration{ns};
    }

  private:
    static constexpr std::int64_t kNone = -1;
    static constexpr std::size_t kPerDoubling = 4;

    // Below 8 ns one bucket each; from there on, four to a doubling.
    static std::size_t bucket(std::uint64_t ns) {
        if (ns < 2 * kPerDoubling) return ns;
        const auto doublings = static_cast<std::size_t>(std::bit_width(ns)) - 3;
        return doublings * kPerDoubling + static_cast<std::size_t>(ns >> doublings);
    }

    static Duration upper_bound(std::size_t bucket) {
        if (bucket < 2 * kPerDoubling) return Duration{static_cast<Duration::rep>(bucket)};
        const std::size_t doublings = bucket / kPerDoubling - 1;
        const std::uint64_t quarters = bucket - doublings * kPerDoubling;
        return Duration{static_cast<Duration::rep>(((quarters + 1) << doublings) - 1)};
    }

    std::array<std::atomic<std::uint64_t>, 62 * kPerDoubling> counts_{};
    std::atomic<std::uint64_t> max_{0};
    std::atomic<std::int64_t> worst_{kNone};
};

}  // namespace pleat
