// The solver against its judges, and against what the thesis computed by hand.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include <catch2/catch.hpp>

#include "model/entitlements.hh"
#include "tests/sharing/sharing_problems.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

std::vector<double> in_mbps(std::vector<double> rates) {
    for (double& rate : rates) rate /= 1e6;
    return rates;
}

std::vector<LinkId> links(std::initializer_list<std::uint32_t> ids) {
    std::vector<LinkId> result;
    for (const std::uint32_t id : ids) result.push_back(LinkId{id});
    return result;
}

ProblemFlow greedy(std::initializer_list<std::uint32_t> ids, Duration rtt) {
    return {links(ids), flow_weight(rtt), kUnlimitedRate};
}

ProblemFlow limited(std::initializer_list<std::uint32_t> ids, Duration rtt, double demand) {
    return {links(ids), flow_weight(rtt), demand};
}

void check_rates(const std::vector<double>& rates, const std::vector<double>& expected) {
    REQUIRE(rates.size() == expected.size());
    for (std::size_t i = 0; i < rates.size(); ++i) CHECK(rates[i] == Approx(expected[i]));
}

// The rate of flow `who` when it alone asks for all and the problem is solved anew.
double solved_anew(Problem problem, std::size_t who) {
    problem.flows[who].demand = kUnlimitedRate;
    return problem.solve()[who];
}

}  // namespace

TEST_CASE("one flow alone has the narrowest link of its path") {
    check_rates(Problem{{100e6, 60e6, 80e6}, {greedy({0, 1, 2}, 40ms)}}.solve(), {60e6});
}

TEST_CASE("one sender with RTTs of 20 and 100 ms over one uplink: 83 and 17") {
    check_rates(in_mbps(Problem{{100e6}, {greedy({0}, 20ms), greedy({0}, 100ms)}}.solve()),
                {100.0 * 5 / 6, 100.0 / 6});
}

TEST_CASE("one server to clients with RTTs of 160, 80, 40 and 20 ms: 7, 13, 27, 53") {
    const Problem problem{
        {100e6}, {greedy({0}, 160ms), greedy({0}, 80ms), greedy({0}, 40ms), greedy({0}, 20ms)}};
    check_rates(in_mbps(problem.solve()), {100.0 / 15, 200.0 / 15, 400.0 / 15, 800.0 / 15});
}

TEST_CASE("a parking lot: the long flow has a sixth where its RTT is five times as long") {
    const Problem problem{{100e6, 100e6},
                          {greedy({0, 1}, 100ms), greedy({0}, 20ms), greedy({1}, 20ms)}};
    check_rates(in_mbps(problem.solve()), {100.0 / 6, 500.0 / 6, 500.0 / 6});
}

TEST_CASE("what a flow leaves on one link goes to others there, and not beyond") {
    // The long flow is held to 16 on the first link; on the second, the other has the rest.
    const Problem problem{{32e6, 100e6},
                          {greedy({0, 1}, 40ms), greedy({0}, 40ms), greedy({1}, 40ms)}};
    check_rates(in_mbps(problem.solve()), {16.0, 16.0, 84.0});
}

TEST_CASE("a demand below the share is met, and the others have the rest") {
    const Problem problem{{90e6}, {limited({0}, 40ms, 10e6), greedy({0}, 40ms), greedy({0}, 40ms)}};
    check_rates(in_mbps(problem.solve()), {10.0, 40.0, 40.0});
    const Problem mixed{{90e6},
                        {limited({0}, 40ms, 10e6), limited({0}, 40ms, 35e6), greedy({0}, 40ms)}};
    check_rates(in_mbps(mixed.solve()), {10.0, 35.0, 45.0});
}

TEST_CASE("flows without limit have no limit, and flows without demand nothing") {
    const Problem problem{{kUnlimitedRate, 10e6},
                          {greedy({0}, 1ms), greedy({}, 1ms), limited({0}, 1ms, 5e6),
                           limited({1}, 1ms, 0.0), greedy({0, 1}, 1ms)}};
    const std::vector<double> rates = problem.solve();
    CHECK(rates[0] == kUnlimitedRate);
    CHECK(rates[1] == kUnlimitedRate);
    CHECK(rates[2] == 5e6);
    CHECK(rates[3] == 0.0);
    CHECK(rates[4] == 10e6);
}

TEST_CASE("a round trip below 100 us weighs as one of 100 us") {
    CHECK(flow_weight(0ns) == 10'000.0);
    CHECK(flow_weight(100us) == 10'000.0);
    CHECK(flow_weight(40ms) == 25.0);
}

TEST_CASE("25,000 random problems are solved optimally and as the textbook does") {
    std::mt19937_64 random{20210601};
    double worst = 0.0;
    for (int i = 0; i < 25'000; ++i) {
        const Problem problem = random_problem(random);
        const std::vector<double> rates = problem.solve();
        const std::string wrong = objection(problem, rates);
        if (!wrong.empty()) FAIL("problem " << i << ": " << wrong);
        const std::vector<double> expected = textbook_rates(problem);
        for (std::size_t f = 0; f < rates.size(); ++f) {
            if (rates[f] == expected[f]) continue;
            worst = std::max(worst, std::abs(rates[f] - expected[f]) / expected[f]);
        }
    }
    CHECK(worst < 1e-9);
}

TEST_CASE("the judge objects to what is not optimal") {
    const Problem problem{{90e6}, {greedy({0}, 40ms), greedy({0}, 40ms), limited({0}, 40ms, 10e6)}};
    CHECK(objection(problem, {40e6, 40e6, 10e6}).empty());
    CHECK_FALSE(objection(problem, {50e6, 40e6, 10e6}).empty());
    CHECK_FALSE(objection(problem, {50e6, 30e6, 10e6}).empty());
    CHECK_FALSE(objection(problem, {40e6, 40e6, 5e6}).empty());
    CHECK_FALSE(objection(problem, {35e6, 40e6, 15e6}).empty());
}

TEST_CASE("a solver gives the same bits each time, and after other problems") {
    std::mt19937_64 random{7};
    for (int i = 0; i < 200; ++i) {
        Problem problem = random_problem(random);
        FairShare used{problem.capacities};
        const std::vector<double> first = used.solve(problem.demands());
        problem.flows.resize(problem.flows.size() / 2);
        used.solve(problem.demands());
        const Problem half = problem;
        const std::vector<double> again = used.solve(half.demands());
        const std::vector<double> fresh = half.solve();
        REQUIRE(again.size() == fresh.size());
        CHECK((fresh.empty() ||
               std::memcmp(again.data(), fresh.data(), fresh.size() * sizeof(double)) == 0));
    }
}

TEST_CASE("a changed capacity counts from the next solution") {
    const Problem problem{{60e6}, {greedy({0}, 40ms), greedy({0}, 40ms)}};
    FairShare solver{problem.capacities};
    check_rates(solver.solve(problem.demands()), {30e6, 30e6});
    solver.set_capacity(LinkId{0}, 90e6);
    check_rates(solver.solve(problem.demands()), {45e6, 45e6});
}

TEST_CASE("the entitlement of a newcomer is its share with the others as they are") {
    const Problem problem{{60e6}, {greedy({0}, 40ms), limited({0}, 40ms, 10e6)}};
    const std::vector<FlowDemand> flows = problem.demands();
    FairShare solver{problem.capacities};
    const std::vector<double> rates = solver.solve(flows);
    const std::vector<LinkId> path = links({0});
    // 50 + 10 become 25 + 10 + 25; without the limited flow itself, 30 + 30.
    CHECK(solver.entitlement(flows, rates, path, flow_weight(40ms), 2) == Approx(25e6));
    CHECK(solver.entitlement(flows, rates, path, flow_weight(40ms), 1) == Approx(30e6));
}

TEST_CASE("an entitlement is the exact rate of a new solution with the flow greedy") {
    std::mt19937_64 random{11};
    for (int i = 0; i < 20'000; ++i) {
        Problem problem = random_problem(random);
        FairShare solver{problem.capacities};
        const std::vector<FlowDemand> flows = problem.demands();
        const std::vector<double> rates = solver.solve(flows);
        const std::size_t who = random() % flows.size();
        const double found =
            solver.entitlement(flows, rates, flows[who].links, flows[who].weight, who);
        const double anew = solved_anew(problem, who);
        // The index over all links says the same as the one question.
        Entitlements index{solver, flows, rates};
        const double indexed = index.of(flows[who].links, flows[who].weight, who);
        const auto same = [](double a, double b) { return a == b || std::abs(a - b) <= 1e-9 * b; };
        if (!same(found, anew) || !same(indexed, anew) || found < rates[who] * (1.0 - 1e-9)) {
            FAIL("problem " << i << ": " << found << ", " << indexed << ", solved " << anew);
        }
    }
}
