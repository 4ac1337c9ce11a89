// How long a solution takes, all entitlements from it, and the sharer's work around it,
// for 10 to 10,000 flows between random hosts of a meshed topology of 4000 points; 70 %
// of them greedy, the others with demands of 10 kbit/s to 1 Gbit/s.
//
//     cmake --preset bench && cmake --build build/bench --target bench_fair_share
//     build/bench/bin/bench_fair_share --benchmark_repetitions=5
//
// Numbers are in bench/README.md. A tick is one each 10 ms, with all flows on this machine.
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

// The thesis' own: $PLEAT_DATA/thesis/scale-free-4000.xml, a tree.
const Network& thesis_network() {
    static const Network kNetwork{.scenario = thesis_4000()};
    return kNetwork;
}

using TwoTables = std::vector<std::shared_ptr<const PathTable>>;

// The network as it is, and with one link changed.
TwoTables before_and_after(LinkId link, const LinkPatch& patch) {
    Scenario scenario = network().scenario;
    TimedEvent event;
    event.at = ExperimentTime{1s};
    event.event = LinkChange{link, patch};
    scenario.timeline.push_back(event);
    TwoTables both;
    for (PathTable& table : tables(compute_epochs(scenario))) {
        both.push_back(std::make_shared<const PathTable>(std::move(table)));
    }
    return both;
}

// An access link.
LinkId last_link() {
    return LinkId{static_cast<std::uint32_t>(network().scenario.topology.links().size() - 1)};
}

// The one between bridges that most of 1000 random flows cross.
LinkId busiest_link();

// Different pairs of hosts that reach each other.
std::vector<FlowKey> random_pairs(std::size_t count, const Network& of = network()) {
    std::mt19937_64 random{42};
    const auto hosts = static_cast<std::uint32_t>(of.scenario.topology.hosts().size());
    std::uniform_int_distribution<std::uint32_t> host{0, hosts - 1};
    std::map<FlowKey, bool> pairs;
    while (pairs.size() < count) {
        const FlowKey pair{HostId{host(random)}, HostId{host(random)}};
        if (pair.source == pair.destination) continue;
        if (of.folder.links(*of.table, pair.source, pair.destination)) pairs[pair];
    }
    std::vector<FlowKey> result;
    for (const auto& [pair, none] : pairs) result.push_back(pair);
    return result;
}

LinkId busiest_link() {
    std::map<LinkId, int> uses;
    for (const FlowKey pair : random_pairs(1000)) {
        const auto links = network().folder.links(*network().table, pair.source, pair.destination);
        for (const LinkId link : *links) ++uses[link];
    }
    const auto less = [](const auto& a, const auto& b) { return a.second < b.second; };
    return std::max_element(uses.begin(), uses.end(), less)->first;
}

double random_demand(std::mt19937_64& random) {
    if (std::uniform_int_distribution{1, 10}(random) <= 7) return kUnlimitedRate;
    return std::exp(std::uniform_real_distribution{std::log(1e4), std::log(1e9)}(random));
}

struct Problem {
    explicit Problem(std::size_t count, const Network& of = network())
        : paths{of.folder, of.table} {
        std::mt19937_64 random{43};
        for (const FlowKey pair : random_pairs(count, of)) {
            const FlowPath* const path = paths.find(pair);
            flows.push_back({path->links(), path->weight, random_demand(random)});
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

void solve_thesis(benchmark::State& state) {
    const Problem problem{static_cast<std::size_t>(state.range(0)), thesis_network()};
    FairShare solver{problem.paths.capacities()};
    for (auto _ : state) benchmark::DoNotOptimize(solver.solve(problem.flows));
}

void all_entitlements(benchmark::State& state) {
    const Problem problem{static_cast<std::size_t>(state.range(0))};
    FairShare solver{problem.paths.capacities()};
    const std::vector<double> rates = solver.solve(problem.flows);
    for (auto _ : state) {
        Entitlements entitlements{solver, problem.flows, rates};
        for (std::size_t i = 0; i < problem.flows.size(); ++i) {
            const FlowDemand& flow = problem.flows[i];
            benchmark::DoNotOptimize(entitlements.of(flow.links, flow.weight, i));
        }
    }
}

// A sharer with so many local flows, 70 % of them backlogged, the others limited.
struct OneMachine {
    explicit OneMachine(std::size_t count) : sharer{network().folder, network().table, {}} {
        for (const FlowKey pair : random_pairs(count)) {
            counters.push_back(std::make_shared<FlowCounters>());
            touch(counters.size() - 1);
            sharer.flow_started({pair, now, counters.back()}, now);
        }
        for (int i = 0; i < 200; ++i) tick();
    }

    // Only this thread counts: no need to lock the processor's bus, as a plane doesn't either.
    void touch(std::size_t flow) const {
        FlowCounters& of = *counters[flow];
        const auto add = [](std::atomic<std::uint64_t>& to, std::uint64_t what) {
            to.store(to.load(std::memory_order_relaxed) + what, std::memory_order_relaxed);
        };
        const std::int64_t at = now.time_since_epoch().count();
        of.last_arrival_ns.store(at, std::memory_order_relaxed);
        if (flow % 10 >= 7) {  // 2.4 Mbit/s, or less where the path is narrower
            add(of.bytes, 2 * 1514);
            add(of.packets, 2);
            return;
        }
        if (of.waiting_since_ns.load(std::memory_order_relaxed) == 0) {
            of.waiting_since_ns.store(at, std::memory_order_relaxed);
            of.queued_bytes.store(100'000, std::memory_order_relaxed);
        }
        add(of.bytes, 10 * 1514);
        add(of.packets, 10);
    }

    void tick() {
        now += 10ms;
        for (std::size_t flow = 0; flow < counters.size(); ++flow) touch(flow);
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

// A link's latency changes.
void latency_event(benchmark::State& state) {
    LinkPatch patch;
    patch.latency = 1s;
    switch_tables(state, before_and_after(last_link(), patch));
}

// The same of a link in the middle.
void core_latency_event(benchmark::State& state) {
    LinkPatch patch;
    patch.latency = 1s;
    switch_tables(state, before_and_after(busiest_link(), patch));
}

// A link's bandwidth changes: the paths stay.
void bandwidth_event(benchmark::State& state) {
    LinkPatch patch;
    patch.bandwidth = Bandwidth::bits_per_second(1'000'000);
    switch_tables(state, before_and_after(last_link(), patch));
}

BENCHMARK(solve)->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(solve_thesis)->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(all_entitlements)->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(quiet_tick)->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(latency_event)->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(core_latency_event)
    ->RangeMultiplier(10)
    ->Range(10, 10'000)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(bandwidth_event)->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
