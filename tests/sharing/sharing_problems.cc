#include "tests/sharing/sharing_problems.hh"

#include <algorithm>
#include <cmath>

namespace pleat::testing {

namespace {

constexpr double kTolerance = 1e-9;

bool crosses(const ProblemFlow& flow, std::size_t link) {
    return std::find(flow.links.begin(), flow.links.end(),
                     LinkId{static_cast<std::uint32_t>(link)}) != flow.links.end();
}

}  // namespace

Problem random_problem(std::mt19937_64& random) {
    const auto pick = [&random](int low, int high) {
        return std::uniform_int_distribution{low, high}(random);
    };
    const auto log_uniform = [&random](double low, double high) {
        return std::exp(std::uniform_real_distribution{std::log(low), std::log(high)}(random));
    };
    Problem problem;
    const bool equal_weights = pick(0, 2) == 0;
    const bool equal_capacities = pick(0, 2) == 0;
    const int links = pick(1, 8);
    for (int l = 0; l < links; ++l) {
        const bool unlimited = pick(0, 9) == 0;
        problem.capacities.push_back(unlimited          ? kUnlimitedRate
                                     : equal_capacities ? 1e8
                                                        : log_uniform(1e5, 1e10));
    }
    const int flows = pick(1, 12);
    for (int f = 0; f < flows; ++f) {
        ProblemFlow flow;
        for (int l = 0; l < links; ++l) {
            if (pick(0, 2) == 0) flow.links.push_back(LinkId{static_cast<std::uint32_t>(l)});
        }
        std::shuffle(flow.links.begin(), flow.links.end(), random);
        if (!equal_weights) flow.weight = log_uniform(0.5, 1e4);
        if (pick(0, 2) == 0) flow.demand = pick(0, 9) == 0 ? 0.0 : log_uniform(1e4, 1e10);
        problem.flows.push_back(std::move(flow));
    }
    return problem;
}

std::string objection(const Problem& problem, const std::vector<double>& rates) {
    const std::size_t links = problem.capacities.size();
    std::vector<double> used(links, 0.0);
    std::vector<double> highest(links, 0.0);
    for (std::size_t f = 0; f < rates.size(); ++f) {
        const ProblemFlow& flow = problem.flows[f];
        if (rates[f] > flow.demand * (1.0 + kTolerance)) {
            return "flow " + std::to_string(f) + " has more than it demands";
        }
        for (std::size_t l = 0; l < links; ++l) {
            if (!crosses(flow, l)) continue;
            used[l] += rates[f];
            highest[l] = std::max(highest[l], rates[f] / flow.weight);
        }
    }
    for (std::size_t l = 0; l < links; ++l) {
        if (used[l] > problem.capacities[l] * (1.0 + kTolerance)) {
            return "link " + std::to_string(l) + " carries more than it can";
        }
    }
    for (std::size_t f = 0; f < rates.size(); ++f) {
        const ProblemFlow& flow = problem.flows[f];
        bool content = rates[f] >= flow.demand * (1.0 - kTolerance);
        for (std::size_t l = 0; l < links && !content; ++l) {
            content = crosses(flow, l) && problem.capacities[l] != kUnlimitedRate &&
                      used[l] >= problem.capacities[l] * (1.0 - kTolerance) &&
                      rates[f] / flow.weight >= highest[l] * (1.0 - kTolerance);
        }
        if (!content) return "flow " + std::to_string(f) + " could have more";
    }
    return {};
}

std::vector<double> textbook_rates(const Problem& problem) {
    const std::size_t count = problem.flows.size();
    std::vector<long double> rates(count, 0.0L);
    std::vector<bool> stopped(count, false);
    std::vector<double> result(count, kUnlimitedRate);
    while (true) {
        // How far the water can rise from its present level.
        long double step = std::numeric_limits<long double>::infinity();
        std::vector<bool> stops(count, false);
        const auto lower = [&](long double to, const std::vector<std::size_t>& whom) {
            if (to > step * (1.0L + 1e-15L)) return;
            if (to < step * (1.0L - 1e-15L)) std::fill(stops.begin(), stops.end(), false);
            step = std::min(step, to);
            for (const std::size_t f : whom) stops[f] = true;
        };
        for (std::size_t l = 0; l < problem.capacities.size(); ++l) {
            if (problem.capacities[l] == kUnlimitedRate) continue;
            long double left = problem.capacities[l];
            long double weight = 0.0L;
            std::vector<std::size_t> rising;
            for (std::size_t f = 0; f < count; ++f) {
                if (!crosses(problem.flows[f], l)) continue;
                left -= rates[f];
                if (stopped[f]) continue;
                weight += problem.flows[f].weight;
                rising.push_back(f);
            }
            if (!rising.empty()) lower(std::max(0.0L, left) / weight, rising);
        }
        for (std::size_t f = 0; f < count; ++f) {
            const ProblemFlow& flow = problem.flows[f];
            if (stopped[f] || flow.demand == kUnlimitedRate) continue;
            lower(std::max(0.0L, flow.demand - rates[f]) / flow.weight, {f});
        }
        if (step == static_cast<long double>(kUnlimitedRate)) break;
        for (std::size_t f = 0; f < count; ++f) {
            if (stopped[f]) continue;
            rates[f] += step * problem.flows[f].weight;
            if (!stops[f]) continue;
            stopped[f] = true;
            result[f] = static_cast<double>(rates[f]);
        }
    }
    return result;
}

}  // namespace pleat::testing
