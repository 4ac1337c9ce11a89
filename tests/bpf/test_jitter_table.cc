// The table of jitter against the exact distributions.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include <catch2/catch.hpp>

#include "node/dataplane/edt/jitter_table.hh"

using namespace pleat;

namespace {

struct Statistics {
    double distance;  // Kolmogorov and Smirnov's, of 2^20 even steps
    double mean;
    double deviation;
};

// As the program reads it: lines between the entries.
Statistics statistics_of(JitterDistribution distribution,
                         const std::function<double(double)>& cumulative) {
    std::array<std::int32_t, EDT_JITTER_STEPS + 1> table{};
    fill_jitter_table(distribution, table);
    CHECK(std::is_sorted(table.begin(), table.end()));
    constexpr int kSamples = 1 << 20;
    Statistics result{};
    double squares = 0.0;
    for (int i = 0; i < kSamples; ++i) {
        const double u = (i + 0.5) / kSamples;
        const double place = u * EDT_JITTER_STEPS;
        const auto step = static_cast<std::size_t>(place);
        const double part = place - static_cast<double>(step);
        const double x =
            (table[step] + part * (table[step + 1] - static_cast<double>(table[step]))) /
            (1 << EDT_JITTER_SHIFT);
        result.distance = std::max(result.distance, std::abs(cumulative(x) - u));
        result.mean += x / kSamples;
        squares += x * x / kSamples;
    }
    result.deviation = std::sqrt(squares - result.mean * result.mean);
    return result;
}

}  // namespace

TEST_CASE("the tables of jitter have their distributions' shape, mean and deviation") {
    // Nowhere further off than a step of the table is wide.
    constexpr double kStep = 1.0 / EDT_JITTER_STEPS;
    const Statistics normal = statistics_of(JitterDistribution::normal, [](double x) {
        return 0.5 * std::erfc(-x / std::numbers::sqrt2);
    });
    CHECK(normal.distance < kStep);
    CHECK(std::abs(normal.mean) < 1e-6);
    CHECK(normal.deviation == Approx(1.0).epsilon(1e-3));

    const Statistics uniform =
        statistics_of(JitterDistribution::uniform, [](double x) { return (x + 1.0) / 2.0; });
    CHECK(uniform.distance < 1e-6);
    CHECK(std::abs(uniform.mean) < 1e-6);

    const Statistics pareto = statistics_of(JitterDistribution::pareto, [](double x) {
        const double value = x * 0.80222 + 1.49846;
        return value <= 1.0 ? 0.0 : 1.0 - std::pow(value, -3.0);
    });
    CHECK(pareto.distance < kStep);
    CHECK(std::abs(pareto.mean) < 1e-3);
    CHECK(pareto.deviation == Approx(1.0).epsilon(5e-3));
}
