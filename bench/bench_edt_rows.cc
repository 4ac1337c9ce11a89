// What the `edt` plane does with a table before it is in force: folds it into rows (on a
// thread of its own) and fills a slot with them.
//
//     cmake --preset bench && cmake --build build/bench --target bench_edt_rows
//     build/bench/bin/bench_edt_rows --benchmark_repetitions=5     (as root: it makes BPF maps)
#include <algorithm>
#include <cstring>

#include <benchmark/benchmark.h>

#include "bench/scale_free.hh"
#include "model/epochs.hh"
#include "node/dataplane/edt/edt_object.hh"
#include "node/dataplane/edt/flow_watch.hh"
#include "node/dataplane/edt/table_rows.hh"

namespace {

using namespace pleat;

// 1000 hosts, of which this machine has so many.
struct World {
    Scenario scenario = bench::scale_free(1000, 500, 2, 1);
    PathTable table = compute_epochs(scenario).base;
    PathFolder folder{scenario};
    std::size_t destinations = scenario.topology.hosts().size();

    TableRows rows(std::size_t sources) const {
        TableRows result{.destinations = destinations,
                         .paths = std::vector<edt_path>(sources * destinations),
                         .uplinks = fold_uplinks(scenario.topology, table),
                         .needs = {}};
        for (std::uint32_t i = 0; i < sources; ++i) {
            fold_source(folder, table, HostId{i},
                        std::span{result.paths}.subspan(i * destinations, destinations));
        }
        return result;
    }
};

void fold_one_host(benchmark::State& state) {
    const World world;
    std::vector<edt_path> rows(world.destinations);
    for (auto _ : state) {
        fold_source(world.folder, world.table, HostId{0}, rows);
        benchmark::DoNotOptimize(rows.data());
    }
}

// Into the kernel's own memory, slot after slot.
void fill_slot(benchmark::State& state) {
    const World world;
    const auto sources = static_cast<std::size_t>(state.range(0)) / world.destinations;
    const TableRows rows = world.rows(sources);
    EdtObject object =
        EdtObject::load(EdtSetup{.sources = static_cast<std::uint32_t>(sources),
                                 .destinations = static_cast<std::uint32_t>(world.destinations),
                                 .uplinks = static_cast<std::uint32_t>(rows.uplinks.size())});
    unsigned slot = 0;
    for (auto _ : state) {
        std::memcpy(object.paths(slot).data(), rows.paths.data(),
                    rows.paths.size() * sizeof(edt_path));
        std::memcpy(object.uplinks(slot).data(), rows.uplinks.data(),
                    rows.uplinks.size() * sizeof(edt_uplink));
        slot = (slot + 1) % EDT_SLOTS;
    }
    state.counters["rows"] = static_cast<double>(rows.paths.size());
    state.counters["MB of kernel memory"] = static_cast<double>(object.memory_bytes()) / 1e6;
}

// Filling only what differs from what the slot holds: compares all, writes a tenth.
void fill_changed_rows(benchmark::State& state) {
    const World world;
    const auto sources = static_cast<std::size_t>(state.range(0)) / world.destinations;
    TableRows rows = world.rows(sources);
    std::vector<edt_path> slot = rows.paths;
    std::uint64_t round = 0;
    for (auto _ : state) {
        state.PauseTiming();
        ++round;
        for (std::size_t i = 0; i < rows.paths.size(); i += 10) rows.paths[i].delay_ns = round;
        state.ResumeTiming();
        for (std::size_t i = 0; i < slot.size(); ++i) {
            if (std::memcmp(&slot[i], &rows.paths[i], sizeof(edt_path)) != 0) {
                slot[i] = rows.paths[i];
            }
        }
        benchmark::DoNotOptimize(slot.data());
    }
}

// What a tick of the loop costs for so many flows under way.
void read_counters(benchmark::State& state) {
    const auto flows = static_cast<std::uint32_t>(state.range(0));
    constexpr Instant kNow{std::chrono::seconds{100}};
    const auto now_ns = static_cast<std::uint64_t>(kNow.time_since_epoch().count());
    std::vector<edt_counters> counters(flows * 10UL);
    FlowWatch watch{counters};
    for (std::uint32_t i = 0; i < flows; ++i) {
        edt_counters& one = counters[i * 10UL];
        one.bytes = 100'000;
        one.packets = 100;
        one.last_arrival_ns = now_ns;
        one.next_free_ns = now_ns + 1'000'000;
        one.time_per_byte = 800ULL << EDT_TIME_PER_BYTE_SHIFT;
        one.waited_ns = 5'000'000;
        one.waited_until_ns = now_ns + 500'000;
        watch.start(i * 10, kNow);
    }
    for (auto _ : state) watch.read(kNow);
}

BENCHMARK(fold_one_host)->Unit(benchmark::kMicrosecond);
BENCHMARK(fill_slot)->Arg(1000)->Arg(100'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(fill_changed_rows)->Arg(100'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(read_counters)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
