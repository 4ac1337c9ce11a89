#include "node/dataplane/netem/jitter_tables.hh"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "model/draw.hh"

namespace pleat {

namespace {

constexpr std::size_t kSize = 4096;  // as the tables of iproute2
constexpr double kScale = 8192.0;    // NETEM_DIST_SCALE
constexpr int kParetoMultiple = 5;   // its longest is 20 deviations

using Table = std::array<std::int16_t, kSize>;

// `value` of a probability, increasing, for the middle of each step.
template <typename Value>
Table tabulated(Value value) {
    Table table{};
    for (std::size_t i = 0; i < kSize; ++i) {
        const double p = (static_cast<double>(i) + 0.5) / static_cast<double>(kSize);
        table[i] = static_cast<std::int16_t>(
            std::clamp<long>(std::lround(kScale * value(p)), -32768, 32767));
    }
    return table;
}

// By bisection: it is done once.
double normal_quantile(double p) {
    double low = -10.0;
    double high = 10.0;
    for (int i = 0; i < 60; ++i) {
        const double middle = 0.5 * (low + high);
        const double below = 0.5 * std::erfc(-middle / std::numbers::sqrt2);
        (below < p ? low : high) = middle;
    }
    return 0.5 * (low + high);
}

// Shape 3; the mean and deviation are those of model/draw.cc.
double pareto_quantile(double p) {
    constexpr double kCut = kLongestPareto;
    constexpr double kMean = 1.5 - 0.5 / (kCut * kCut);
    const double deviation = std::sqrt(3.0 - 2.0 / kCut - kMean * kMean);
    return (std::min(1.0 / std::cbrt(1.0 - p), kCut) - kMean) / deviation;
}

}  // namespace

JitterTable jitter_table(JitterDistribution distribution) {
    static const Table normal = tabulated(normal_quantile);
    static const Table uniform = tabulated([](double p) { return 2.0 * p - 1.0; });
    static const Table pareto =
        tabulated([](double p) { return pareto_quantile(p) / kParetoMultiple; });
    switch (distribution) {
        case JitterDistribution::normal:
            return {.values = normal};
        case JitterDistribution::uniform:
            return {.values = uniform};
        case JitterDistribution::pareto:
            return {.values = pareto, .multiple = kParetoMultiple};
    }
    return {.values = normal};
}

}  // namespace pleat
