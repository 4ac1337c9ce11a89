// How long a solution takes, all entitlements from it, and the sharer's work around it,
// for 10 to 10,000 flows between random hosts of a meshed topology of 4000 points; 70 %
// of them greedy, the others with demands of 10 kbit/s to 1 Gbit/s.
//
//     cmake --preset bench && cmake --build build/bench --target bench_fair_share
//     build/bench/bin/bench_fair_share --benchmark_repetitions=5
//
// Medians of 5 of CPU time, on 2 shared and busy vCPUs of an AMD EPYC, g++ 12 -O2:
//     flows                 10      100      1000     10,000
//     solve               2.1 us    26 us   0.32 ms   2.7 ms
//     all_entitlements     16 us    26 us   0.37 ms    10 ms   (index and one question a flow)
//     quiet_tick          0.7 us   7.4 us   0.15 ms   5.8 ms   (each 10 ms, all flows here)
//     latency_event        53 us  0.16 ms    4.8 ms    42 ms   (mostly folding paths)
//     bandwidth_event      83 us  0.12 ms   0.95 ms    15 ms
#include <cmath>
#include <map>
#include <random>

#include <benchmark/benchmark.h>

#include "bench/scale_free.hh"
#include "model/epochs.hh"
#include "model/fair_share.hh"
#include "node/sharing/sharer.hh"

namespace {

using namespace pleat;
using namespace pleat::bench;
using namespace std::chrono_literals;

struct Network {
    Scenario scenario = scale_free(2668, 1332, 2, 1);
    Epochs epochs = compute_epochs(scenario);
    std::shared_ptr<const PathTable> table = std::make_shared<const PathTable>(epochs.base);
    PathFolder folder{scenario};
};

const Network& network() {
    static const Network kNetwork;
    return kNetwork;
}

using TwoTables = std::vector<std::shared_ptr<const PathTable>>;

// The network as it is, and with its last link changed, an access link.
TwoTables before_and_after(const LinkPatch& patch) {
    Scenario scenario = network().scenario;
    TimedEvent event;
    event.at = ExperimentTime{1s};
    const std::size_t links = scenario.topology.links().size();
    event.event = LinkChange{LinkId{static_cast<std::uint32_t>(links - 1)}, patch};
    scenario.timeline.push_back(event);
    TwoTables both;
    for (PathTable& table : tables(compute_epochs(scenario))) {
        both.push_back(std::make_shared<const PathTable>(std::move(table)));
    }
    return both;
}

// Different pairs of hosts that reach each other.
std::vector<FlowKey> random_pairs(std::size_t count) {
    std::mt19937_64 random{42};
    const auto hosts = static_cast<std::uint32_t>(network().scenario.topology.hosts().size());
    std::uniform_int_distribution<std::uint32_t> host{0, hosts - 1};
    std::map<FlowKey, bool> pairs;
    while (pairs.size() < count) {
        const FlowKey pair{HostId{host(random)}, HostId{host(random)}};
        if (pair.source == pair.destination) continue;
        if (network().folder.links(*network().table, pair.source, pair.destination)) pairs[pair];
    }
    std::vector<FlowKey> result;
    for (const auto& [pair, none] : pairs) result.push_back(pair);
    return result;
}

double random_demand(std::mt19937_64& random) {
    if (std::uniform_int_distribution{1, 10}(random) <= 7) return kUnlimitedRate;
    return std::exp(std::uniform_real_distribution{std::log(1e4), std::log(1e9)}(random));
}

struct Problem {
    explicit Problem(std::size_t count) : paths{network().folder, network().table} {
        std::mt19937_64 random{43};
        for (const FlowKey pair : random_pairs(count)) {
            const FlowPath* const path = paths.find(pair);
            flows.push_back({path->links, path->weight, random_demand(random)});
        }
    }

    FlowPaths paths;
    std::vector<FlowDemand> flows;
};

void solve(benchmark::State& state) {
    const Problem problem{static_cast<std::size_t>(state.range(0))};
    FairShare solver{problem.paths.capacities()};
    for (auto _ : state) benchmark::DoNotOptimize(solver.solve(problem.flows));
}

void all_entitlements(benchmark::State& state) {
    const Problem problem{static_cast<std::size_t>(state.range(0))};
    FairShare solver{problem.paths.capacities()};
    const std::vector<double> rates = solver.solve(problem.flows);
    for (auto _ : state) {
        const Entitlements entitlements{solver.capacities(), problem.flows, rates};
        for (std::size_t i = 0; i < problem.flows.size(); ++i) {
            const FlowDemand& flow = problem.flows[i];
            benchmark::DoNotOptimize(entitlements.of(flow.links, flow.weight, i));
        }
    }
}

// A sharer with so many local flows, each backlogged.
struct OneMachine {
    explicit OneMachine(std::size_t count) : sharer{network().folder, network().table, {}} {
        for (const FlowKey pair : random_pairs(count)) {
            counters.push_back(std::make_shared<FlowCounters>());
            touch(*counters.back(), 10);
            sharer.flow_started({pair, now, counters.back()}, now);
        }
        for (int i = 0; i < 20; ++i) tick();
    }

    void touch(FlowCounters& of, std::uint64_t packets) const {
        of.last_arrival_ns = now.time_since_epoch().count();
        if (of.waiting_since_ns == 0) of.waiting_since_ns = of.last_arrival_ns.load();
        of.queued_bytes = 100'000;
        of.bytes += packets * 1514;
        of.packets += packets;
    }

    void tick() {
        now += 10ms;
        for (const auto& of : counters) touch(*of, 10);
        sharer.tick(now);
    }

    Instant now{1000s};
    std::vector<std::shared_ptr<FlowCounters>> counters;
    Sharer sharer;
};

void quiet_tick(benchmark::State& state) {
    OneMachine machine{static_cast<std::size_t>(state.range(0))};
    for (auto _ : state) machine.tick();
}

void switch_tables(benchmark::State& state, const TwoTables& both) {
    OneMachine machine{static_cast<std::size_t>(state.range(0))};
    machine.sharer.table_activated(both[0], machine.now);
    std::size_t turn = 0;
    for (auto _ : state) machine.sharer.table_activated(both[++turn % 2], machine.now);
}

// A link's latency changes: every path is folded anew.
void latency_event(benchmark::State& state) {
    LinkPatch patch;
    patch.latency = 1s;
    switch_tables(state, before_and_after(patch));
}

// A link's bandwidth changes: the paths stay.
void bandwidth_event(benchmark::State& state) {
    LinkPatch patch;
    patch.bandwidth = Bandwidth::bits_per_second(1'000'000);
    switch_tables(state, before_and_after(patch));
}

BENCHMARK(solve)->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(all_entitlements)->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(quiet_tick)->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(latency_event)->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(bandwidth_event)->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
