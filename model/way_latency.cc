#include "model/way_latency.hh"

#include <algorithm>

namespace pleat {

namespace {

// About what the planes' own timers vary by.
constexpr Duration kLeastMargin = std::chrono::microseconds{20};
constexpr int kMarginPart = 50;

}  // namespace

std::optional<Duration> network_time(const WayExchange& exchange) {
    if (exchange.held < Duration::zero() || exchange.came - exchange.sent < exchange.held) {
        return std::nullopt;
    }
    return exchange.came - exchange.sent - exchange.held;
}

Duration WayLatency::margin(Duration in_force) {
    return std::max(kLeastMargin, in_force / kMarginPart);
}

void WayLatency::add(const WayExchange& exchange, Instant now) {
    const std::optional<Duration> took = network_time(exchange);
    if (!took) return;
    seen_.emplace_back(now, *took);
    while (seen_.front().first < now - kWindow) seen_.pop_front();
    if (in_force_ && *took < *in_force_) in_force_ = took;
    if (seen_.size() < kEnough) return;
    const Duration least =
        std::ranges::min_element(seen_, {}, [](const auto& one) { return one.second; })->second;
    if (!in_force_ || least > *in_force_ + margin(*in_force_)) in_force_ = least;
}

}  // namespace pleat
