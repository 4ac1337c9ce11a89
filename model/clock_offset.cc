#include "model/clock_offset.hh"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.hh"

namespace pleat {

namespace {

constexpr std::size_t kMostExchanges = 64;
// Of exchanges in quick succession the fastest suffice; of those further apart each tells
// something about the rate.
constexpr Duration kTogether = std::chrono::milliseconds{250};
constexpr std::ptrdiff_t kMostTogether = 4;

constexpr double kGrain = 1.0;  // ns: clocks are read in whole ones

double seconds(Duration time) {
    return std::chrono::duration<double>{time}.count();
}

// The line value - slope * rate.
struct Line {
    double value = 0;
    double slope = 0;
};

struct RateRange {
    double least = 0;
    double most = 0;
};

const Line& lowest_at(std::span<const Line> lines, double rate) {
    return *std::ranges::min_element(
        lines, {}, [rate](const Line& line) { return line.value - line.slope * rate; });
}

// The greatest value of the lowest of `lines` for a rate within the range: concave, so
// halving by its slope closes in on it, and two of its tangents bound it from above.
double highest_of_lowest(std::span<const Line> lines, RateRange rates) {
    const auto at = [](const Line& line, double rate) { return line.value - line.slope * rate; };
    const Line* left = &lowest_at(lines, rates.least);
    const Line* right = &lowest_at(lines, rates.most);
    if (left->slope >= 0) return at(*left, rates.least);
    if (right->slope <= 0) return at(*right, rates.most);
    constexpr int kHalvings = 60;
    for (int i = 0; i < kHalvings; ++i) {
        const double middle = rates.least + (rates.most - rates.least) / 2;
        const Line& line = lowest_at(lines, middle);
        if (line.slope < 0) {
            rates.least = middle;
            left = &line;
        } else {
            rates.most = middle;
            right = &line;
        }
    }
    return at(*left, (left->value - right->value) / (left->slope - right->slope));
}

}  // namespace

std::optional<ClockStep> ClockOffset::observe(const ClockExchange& exchange) {
    PLEAT_ASSERT(exchange.sent <= exchange.received);
    std::int64_t most = 0;
    std::int64_t least = 0;
    const std::int64_t answered = exchange.answered.time_since_epoch().count();
    if (__builtin_sub_overflow(answered, exchange.sent.time_since_epoch().count(), &most) ||
        __builtin_sub_overflow(answered, exchange.received.time_since_epoch().count(), &least)) {
        return std::nullopt;
    }
    if (exchanges_.empty()) base_ = most;
    std::int64_t relative = 0;
    const bool far = __builtin_sub_overflow(most, base_, &relative);

    const auto bounds = [&] {
        return Bounds{.sent = exchange.sent,
                      .received = exchange.received,
                      .most = static_cast<double>(most - base_) + kGrain,
                      .least = static_cast<double>(least - base_) - kGrain};
    };
    const auto insert = [&] {
        const Bounds one = bounds();
        exchanges_.insert(std::ranges::upper_bound(exchanges_, one.sent, {}, &Bounds::sent), one);
    };
    const bool newest = exchanges_.empty() || exchanges_.back().sent <= exchange.sent;
    if (!far) {
        std::vector<Bounds> before = exchanges_;
        insert();
        if (offset_at(exchange.received)) {
            forget_one();
            return std::nullopt;
        }
        exchanges_ = std::move(before);
    }
    if (!newest) return std::nullopt;  // from before a step that is known already

    ClockStep step{.noticed = exchange.received};
    if (far) {
        step.size = most > base_ ? Duration::max() : Duration::min();
    } else {
        const Bounds one = bounds();
        const double up = one.least - offset_at(exchange.received)->most;
        const double down = one.most - offset_at(exchange.sent)->least;
        step.size = Duration{static_cast<Duration::rep>(up > -down ? up : down)};
    }
    ++steps_;
    exchanges_.clear();
    base_ = most;
    insert();
    return step;
}

void ClockOffset::forget_one() {
    if (exchanges_.size() <= kMostExchanges) return;
    const auto recent = std::ranges::find_if(exchanges_, [this](const Bounds& one) {
        return exchanges_.back().sent - one.sent < kTogether;
    });
    if (exchanges_.end() - recent <= kMostTogether) {
        exchanges_.erase(exchanges_.begin());
        return;
    }
    exchanges_.erase(std::ranges::max_element(
        recent, exchanges_.end(), {}, [](const Bounds& one) { return one.received - one.sent; }));
}

// Solves the linear programme of (2): nothing when it has no solution.
std::optional<ClockOffset::Interval> ClockOffset::offset_at(Instant mine) const {
    const double wander = limits_.wander * 1e9;  // ns/s^2
    const double rate = limits_.rate * 1e9;      // ns/s
    std::vector<Line> above;                     // offset <= each
    std::vector<Line> below;                     // -offset <= each
    above.reserve(exchanges_.size());
    below.reserve(exchanges_.size());
    for (const Bounds& one : exchanges_) {
        const double to_sent = seconds(one.sent - mine);
        const double to_received = seconds(one.received - mine);
        above.push_back({one.most + wander * to_sent * to_sent / 2, to_sent});
        below.push_back({-one.least + wander * to_received * to_received / 2, -to_received});
    }
    RateRange rates{-rate, rate};
    for (const Line& high : above) {
        for (const Line& low : below) {
            // -low(r) <= high(r): r (-low.slope - high.slope) >= -low.value - high.value
            const double slope = -low.slope - high.slope;
            const double value = -low.value - high.value;
            if (slope > 0) {
                rates.least = std::max(rates.least, value / slope);
            } else if (slope < 0) {
                rates.most = std::min(rates.most, value / slope);
            } else if (value > 0) {
                return std::nullopt;
            }
        }
    }
    if (rates.least > rates.most) return std::nullopt;
    return Interval{.least = -highest_of_lowest(below, rates),
                    .most = highest_of_lowest(above, rates)};
}

std::optional<PeerReading> ClockOffset::peer_at(Instant mine) const {
    if (exchanges_.empty()) return std::nullopt;
    const std::optional<Interval> offset = offset_at(mine);
    PLEAT_ASSERT(offset.has_value());
    const double middle = offset->least + (offset->most - offset->least) / 2;
    return PeerReading{
        .at = PeerInstant{mine.time_since_epoch() +
                          Duration{base_ + static_cast<std::int64_t>(std::llround(middle))}},
        .bound = Duration{
            static_cast<std::int64_t>(std::ceil((offset->most - offset->least) / 2 + kGrain))}};
}

std::optional<LocalReading> ClockOffset::local_at(PeerInstant his) const {
    if (exchanges_.empty()) return std::nullopt;
    // His clock runs as ours but for `rate`: each step leaves that part of the error.
    Instant mine{his.time_since_epoch() - Duration{base_}};
    Duration left{};
    constexpr int kSteps = 4;
    PeerReading reading;
    for (int i = 0; i < kSteps; ++i) {
        mine += left;
        reading = *peer_at(mine);
        left = his - reading.at;
    }
    const double bound =
        static_cast<double>((reading.bound + std::chrono::abs(left)).count()) / (1 - limits_.rate);
    return LocalReading{.at = mine, .bound = Duration{static_cast<std::int64_t>(std::ceil(bound))}};
}

std::optional<Duration> ClockOffset::smallest_round_trip() const {
    if (exchanges_.empty()) return std::nullopt;
    const auto fastest = std::ranges::min_element(
        exchanges_, {}, [](const Bounds& one) { return one.received - one.sent; });
    return fastest->received - fastest->sent;
}

}  // namespace pleat
