// How long the epochs of large topologies take, single-threaded, and how the all-sources
// kernel compares with Boost.Graph's Dijkstra in the same run.
//
//     cmake --preset bench && cmake --build build/bench --target bench_epochs
//     PLEAT_DATA=DIR build/bench/bin/bench_epochs --benchmark_repetitions=5
//
// Medians of 5 on 2 shared vCPUs of an AMD EPYC at 2.6 GHz, one thread, g++ 12 -O2:
//     epochs/thesis-4000                94 ms     (1170 trees of 1332 bridges)
//     epochs/thesis-4000/1000-events   352 ms     (3.26 million parents change)
//     epochs/meshed-4000               131 ms
//     epochs/meshed-4000/1000-events   447 ms     (1.45 million parents change)
//     tables/thesis-4000/1000-events   363 ms     (all deltas applied, hashes checked)
//     boost over ours                  8.6 (thesis), 6.7 (meshed)
//     fold/thesis-4000                 0.8 to 1.3 us a path
#include <benchmark/benchmark.h>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/dijkstra_shortest_paths.hpp>

#include "base/clock.hh"
#include "bench/scale_free.hh"
#include "model/epochs.hh"
#include "model/path.hh"
#include "model/shortest_paths.hh"

namespace {

using namespace pleat;
using namespace pleat::bench;

// 1332 bridges where each joins by two links: unlike the thesis' trees it has routes to choose.
Scenario meshed_4000() {
    return scale_free(2668, 1332, 2, 1);
}

void count(benchmark::State& state, const Epochs& epochs) {
    std::size_t parents = 0;
    for (const Epoch& epoch : epochs.epochs) parents += epoch.delta.parents.size();
    state.counters["epochs"] = static_cast<double>(epochs.epochs.size());
    state.counters["trees"] = static_cast<double>(epochs.base.trees().size());
    state.counters["parents_changed"] = static_cast<double>(parents);
}

void epochs_of(benchmark::State& state, Scenario scenario, int events) {
    scenario.timeline = random_events(scenario.topology, events, 7);
    for (auto _ : state) {
        const Epochs epochs = compute_epochs(scenario);
        benchmark::DoNotOptimize(epochs.epochs.data());
        state.PauseTiming();
        count(state, epochs);
        state.ResumeTiming();
    }
}

void all_tables(benchmark::State& state, Scenario scenario, int events) {
    scenario.timeline = random_events(scenario.topology, events, 7);
    const Epochs epochs = compute_epochs(scenario);
    for (auto _ : state) {
        PathTable table = epochs.base;
        for (std::size_t e = 1; e < epochs.epochs.size(); ++e) {
            table = *table.with(epochs.epochs[e].delta);
        }
        benchmark::DoNotOptimize(table.hash());
    }
}

void fold_paths(benchmark::State& state, const Scenario& scenario) {
    const PathTable table = compute_epochs(scenario).base;
    const PathFolder folder{scenario};
    const auto hosts = static_cast<std::uint32_t>(scenario.topology.hosts().size());
    std::uint32_t i = 0;
    for (auto _ : state) {
        i = i * 1664525 + 1013904223;
        benchmark::DoNotOptimize(
            folder.fold(table, HostId{(i >> 8) % hosts}, HostId{(i >> 16) % hosts}));
    }
}

// The trees of all hosts by Boost.Graph over the whole graph, as one would without folding
// (vectors of edges, 64-bit keys, a predecessor map).
class BoostTrees {
  public:
    explicit BoostTrees(const Scenario& scenario) : graph_{scenario.topology.vertex_count()} {
        const RouteMetric metric{scenario.routing, scenario.topology.bridges().size()};
        for (const Link& link : scenario.topology.links()) {
            const LinkState state{link.properties, link.up};
            boost::add_edge(link.from.value, link.to.value, metric.key(state), graph_);
        }
        distances_.resize(scenario.topology.vertex_count());
        predecessors_.resize(scenario.topology.vertex_count());
    }

    void from(VertexId source) {
        const auto index = boost::get(boost::vertex_index, graph_);
        boost::dijkstra_shortest_paths(
            graph_, source.value,
            boost::distance_map(boost::make_iterator_property_map(distances_.begin(), index))
                .predecessor_map(boost::make_iterator_property_map(predecessors_.begin(), index)));
        benchmark::DoNotOptimize(distances_.data());
    }

  private:
    using Graph =
        boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS, boost::no_property,
                              boost::property<boost::edge_weight_t, RouteKey>>;
    Graph graph_;
    std::vector<RouteKey> distances_;
    std::vector<std::size_t> predecessors_;
};

double seconds_since(Instant start) {
    return std::chrono::duration<double>(monotonic_now() - start).count();
}

// One after the other in each iteration, so that both suffer the same neighbours.
void against_boost(benchmark::State& state, const Scenario& scenario) {
    const Topology& topology = scenario.topology;
    const std::vector<VertexId> sources = tree_sources(topology);
    BoostTrees boost{scenario};
    double ours = 0;
    double theirs = 0;
    for (auto _ : state) {
        Instant start = monotonic_now();
        const Epochs epochs = compute_epochs(scenario);
        benchmark::DoNotOptimize(epochs.base.hash());
        ours += seconds_since(start);

        start = monotonic_now();
        for (std::uint32_t h = 0; h < topology.hosts().size(); ++h) boost.from(VertexId{h});
        theirs += seconds_since(start);
    }
    state.counters["ours_s"] = benchmark::Counter(ours, benchmark::Counter::kAvgIterations);
    state.counters["boost_s"] = benchmark::Counter(theirs, benchmark::Counter::kAvgIterations);
    state.counters["boost_over_ours"] = theirs / ours;
}

}  // namespace

int main(int argc, char** argv) {
    const Scenario thesis = thesis_4000();
    const Scenario meshed = meshed_4000();
    const auto add = [](const char* name, auto function, auto... arguments) {
        benchmark::RegisterBenchmark(name, function, arguments...)->Unit(benchmark::kMillisecond);
    };
    add("epochs/thesis-4000", epochs_of, thesis, 0);
    add("epochs/thesis-4000/1000-events", epochs_of, thesis, 1000);
    add("epochs/meshed-4000", epochs_of, meshed, 0);
    add("epochs/meshed-4000/1000-events", epochs_of, meshed, 1000);
    add("tables/thesis-4000/1000-events", all_tables, thesis, 1000);
    add("boost/thesis-4000", against_boost, thesis);
    add("boost/meshed-4000", against_boost, meshed);
    benchmark::RegisterBenchmark("fold/thesis-4000", fold_paths, thesis)
        ->Unit(benchmark::kNanosecond);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
