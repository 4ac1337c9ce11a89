// Problems of fair sharing, random or written by hand, and two judges that know nothing
// of the solver: the property that makes a solution optimal, and the textbook's filler.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "model/fair_share.hh"

namespace pleat::testing {

struct ProblemFlow {
    std::vector<LinkId> links;
    double weight = 1.0;
    double demand = kUnlimitedRate;
};

struct Problem {
    std::vector<double> capacities;
    std::vector<ProblemFlow> flows;

    // Views of `flows`; valid while the problem stays.
    std::vector<FlowDemand> demands() const {
        std::vector<FlowDemand> result;
        result.reserve(flows.size());
        for (const ProblemFlow& flow : flows) {
            result.push_back({flow.links, flow.weight, flow.demand});
        }
        return result;
    }

    std::vector<double> solve() const { return FairShare{capacities}.solve(demands()); }
};

// 1-8 links, 1-12 flows; weights and capacities equal or random; a third of the demands
// finite, some zero; some links unlimited.
Problem random_problem(std::mt19937_64& random);

// What is wrong with `rates` as a weighted max-min solution; empty when nothing is:
// feasible, and every flow has its demand or crosses a full link on which no flow has
// more rate per weight.
std::string objection(const Problem& problem, const std::vector<double>& rates);

// Raises all flows together in the smallest step that stops one, in long double.
std::vector<double> textbook_rates(const Problem& problem);

}  // namespace pleat::testing
