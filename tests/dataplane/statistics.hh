// What the suites of this folder say about samples.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "base/duration.hh"
#include "model/link_properties.hh"

namespace pleat::testing {

inline Duration median(const std::vector<Duration>& sorted) {
    return sorted.at(sorted.size() / 2);
}

// The largest distance between samples and a distribution (Kolmogorov, Smirnov).
inline double distance(std::vector<double> samples,
                       const std::function<double(double)>& cumulative) {
    std::sort(samples.begin(), samples.end());
    const auto n = static_cast<double>(samples.size());
    double largest = 0.0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
        const double expected = cumulative(samples[i]);
        largest = std::max({largest, std::abs(expected - static_cast<double>(i) / n),
                            std::abs(expected - static_cast<double>(i + 1) / n)});
    }
    return largest;
}

// That distance for so many samples is larger once in a thousand times.
inline double largest_distance(std::size_t samples) {
    return 1.95 / std::sqrt(static_cast<double>(samples));
}

// The chance of a jitter up to x, in units of the link's jitter.
inline std::function<double(double)> cumulative(JitterDistribution distribution) {
    switch (distribution) {
        case JitterDistribution::normal:
            return [](double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); };
        case JitterDistribution::uniform:
            return [](double x) { return std::clamp((x + 1.0) / 2.0, 0.0, 1.0); };
        case JitterDistribution::pareto:
            break;
    }
    return [](double x) {
        const double pareto = x * 0.80222 + 1.49846;  // of the one that is cut at 18
        return pareto <= 1.0 ? 0.0 : 1.0 - std::pow(pareto, -3.0);
    };
}

// Chi-square of run lengths against a geometric distribution in which a run goes on with
// chance `on`; the last bin holds all that is longer. `runs[i]` have length i + 1.
inline double chi_square_of_runs(const std::vector<int>& runs, double on) {
    double total = 0.0;
    for (const int one : runs) total += one;
    double result = 0.0;
    double chance = 1.0;  // of a run that is at least so long
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const bool last = i + 1 == runs.size();
        const double expected = total * (last ? chance : chance * (1.0 - on));
        result += (runs[i] - expected) * (runs[i] - expected) / expected;
        chance *= on;
    }
    return result;
}

}  // namespace pleat::testing
