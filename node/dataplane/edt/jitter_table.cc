#include "node/dataplane/edt/jitter_table.hh"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/draw.hh"

namespace pleat {

namespace {

double normal_density(double x) {
    return std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
}

double normal_cumulative(double x) {
    return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

// By halving: it is done once, and simple beats fast.
double normal_quantile(double u) {
    double low = -10.0;
    double high = 10.0;
    for (int i = 0; i < 60; ++i) {
        const double middle = 0.5 * (low + high);
        (normal_cumulative(middle) < u ? low : high) = middle;
    }
    return 0.5 * (low + high);
}

// The end of a line from the last finite quantile that has the mean of what lies beyond it.
double normal_end() {
    const double last = normal_quantile(1.0 - 1.0 / EDT_JITTER_STEPS);
    const double mean_beyond = normal_density(last) * EDT_JITTER_STEPS;
    return 2.0 * mean_beyond - last;
}

// Shape 3, cut, mean 0, standard deviation 1: as DrawStream::jitter.
double pareto_quantile(double u) {
    constexpr double kCut = kLongestPareto;
    constexpr double kMean = 1.5 - 0.5 / (kCut * kCut);
    const double deviation = std::sqrt(3.0 - 2.0 / kCut - kMean * kMean);
    const double x = u < 1.0 ? std::min(1.0 / std::cbrt(1.0 - u), kCut) : kCut;
    return (x - kMean) / deviation;
}

double quantile(JitterDistribution distribution, int step) {
    const double u = static_cast<double>(step) / EDT_JITTER_STEPS;
    switch (distribution) {
        case JitterDistribution::uniform:
            return 2.0 * u - 1.0;
        case JitterDistribution::normal:
            if (step == 0) return -normal_end();
            if (step == EDT_JITTER_STEPS) return normal_end();
            return normal_quantile(u);
        case JitterDistribution::pareto:
            return pareto_quantile(u);
    }
    return 0.0;
}

}  // namespace

void fill_jitter_table(JitterDistribution distribution,
                       std::span<std::int32_t, EDT_JITTER_STEPS + 1> table) {
    for (int step = 0; step <= EDT_JITTER_STEPS; ++step) {
        const double scaled = quantile(distribution, step) * (1 << EDT_JITTER_SHIFT);
        table[static_cast<std::size_t>(step)] = static_cast<std::int32_t>(std::lround(scaled));
    }
}

}  // namespace pleat
