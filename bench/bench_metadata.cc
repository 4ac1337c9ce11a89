// What machines say to each other: dumbbells of n clients and n servers over four machines
// (host i on machine i modulo 4), one long TCP flow a client for 60 s, and 2668 hosts that
// ping once a second.
//
//     cmake --preset bench && cmake --build build/bench --target bench_metadata
//     build/bench/bin/bench_metadata [seeds]
//
// The clock is turned by hand. Real are the sharer, the demand machine, the replica, the codec
// and the bytes of each message (topic and body), heartbeats included; a message counts once,
// as it does in the thesis and in `--json`, whoever listens. "On TCP" counts it once for each of
// the three others, with ZeroMQ's and CURVE's framing of its two parts. Simulated are the plane (a
// queue in front of a rate, steps of 0.5 ms) and the senders: TCP with slow start, HyStart,
// CUBIC's growth and loss recovery, or BBR, with ACKs (one for two packets) that are flows of
// their own (tests/sharing/simulated_senders.hh). Flows begin spread over a second, as iperf3's do
// on many hosts, last 60 s each, and end. Access links carry 100 Mbit/s and 5 ms, the one between
// the switches 10 ms.
//
// `periodic` is Kollaps 1: 256 bytes from each client 20 times a second for 60 s. `reactive` is
// Kollaps 2.0 (bench/reactive_model.hh) with the same senders.
#include <charconv>
#include <cstdio>
#include <queue>
#include <random>

#include <fmt/format.h>

#include "bench/reactive_model.hh"
#include "bench/scale_free.hh"
#include "tests/sharing/dumbbell.hh"
#include "tests/sharing/simulated_run.hh"

namespace {

using namespace pleat;
using namespace pleat::bench;
using namespace pleat::testing;
using namespace std::chrono_literals;

constexpr std::size_t kMachines = 4;
constexpr Duration kTime = 60s;
constexpr auto kAll = std::numeric_limits<double>::infinity();

// A frame of a message: a command name (8), a nonce (8), a tag (16) and flags (1) of CURVE,
// and 2 bytes of ZMTP before them.
constexpr std::uint64_t kFrameBytes = 35;

std::uint64_t periodic_bytes(std::uint64_t clients) {
    return 256 * 20 * 60 * clients;
}

std::uint64_t on_tcp(const Said& said) {
    return (said.bytes() + 2 * kFrameBytes * said.messages()) * (kMachines - 1);
}

// ---- dumbbells

struct Start {
    Duration at;
    FlowKey flow;
};

std::vector<Start> starts(const SimulatedTraffic& traffic, std::uint32_t n, std::uint64_t seed) {
    std::mt19937_64 random{seed};
    std::vector<Start> result;
    for (std::uint32_t i = 0; i < n; ++i) {
        const std::string index = fmt::format("[{}]", i);
        const auto at = std::chrono::microseconds{500 * (random() % 2000)};
        result.push_back({at, traffic.flow("client" + index, "server" + index)});
    }
    std::sort(result.begin(), result.end(),
              [](const Start& a, const Start& b) { return a.at < b.at; });
    return result;
}

struct Dumbbell {
    std::uint32_t n;
    Bandwidth bottleneck;
    bool bbr;
    std::uint64_t seed;
};

// Each flow begins, and ends kTime later. `halfway` is called when all are under way.
template <typename Run, typename Act>
void play(Run& run, const std::vector<Start>& flows, bool bbr, Act halfway) {
    for (const Start& start : flows) {
        run.run_until(start.at);
        if (bbr) {
            run.send(start.flow, std::make_unique<Bbr>());
        } else {
            run.send(start.flow, std::make_unique<Cubic>(kAll));
        }
    }
    run.run_until(kTime / 2);
    halfway();
    for (const Start& start : flows) {
        run.run_until(start.at + kTime);
        run.send(start.flow, nullptr);
    }
    run.run_until(kTime + 3s);
}

struct Ours {
    Said said;
    std::vector<SimulatedRun::Message> updates;
    double worst = 0.0;  // how far a share is from 1/n once all have begun
};

Ours ours(const Dumbbell& of) {
    SimulatedRun run{dumbbell(of.n, of.bottleneck), kMachines};
    const std::vector<Start> flows = starts(run.traffic(), of.n, of.seed);
    Ours result;
    play(run, flows, of.bbr, [&] {
        const double fair =
            std::min(static_cast<double>(of.bottleneck.bits_per_second()) / of.n, 100e6);
        for (const Start& start : flows) {
            const auto share = static_cast<double>(run.share(start.flow).bits_per_second());
            result.worst = std::max(result.worst, std::abs(share - fair) / fair);
        }
    });
    result.said = run.said();
    result.updates = run.messages();
    return result;
}

std::uint64_t reactive_messages(const Dumbbell& of) {
    ReactiveModel* model = nullptr;
    SimulatedTraffic traffic{
        dumbbell(of.n, of.bottleneck),
        {.activated = {}, .step = {}, .started = {}, .tick = [&model] { model->tick(); }}};
    const std::vector<Start> flows = starts(traffic, of.n, of.seed);
    std::vector<FlowKey> keys;
    for (const Start& start : flows) keys.push_back(start.flow);
    ReactiveModel cores{traffic, keys, of.seed};
    model = &cores;
    play(traffic, flows, of.bbr, [] {});
    return cores.messages();
}

template <typename T>
T median(std::vector<T> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

void print_dumbbell(Dumbbell of, std::uint64_t seeds) {
    const std::uint32_t n = of.n;
    std::vector<std::uint64_t> bytes;
    std::vector<std::uint64_t> tcp;
    std::vector<std::uint64_t> reactive;
    Ours last;
    double worst = 0.0;
    for (of.seed = 1; of.seed <= seeds; ++of.seed) {
        last = ours(of);
        worst = std::max(worst, last.worst);
        bytes.push_back(last.said.bytes());
        tcp.push_back(on_tcp(last.said));
        reactive.push_back(reactive_messages(of) * ReactiveModel::kMessageBytes);
    }
    std::size_t changes = 0;
    std::size_t early = 0;
    for (const auto& update : last.updates) {
        changes += update.flows.size();
        if (update.at < 3s) early += update.flows.size();
    }
    const std::uint64_t periodic = periodic_bytes(n);
    const std::uint64_t pleat = median(bytes);
    fmt::print(
        "{:>5} {:5} {:5} | {:9} {:9} | {:7} {:6} {:6} | {:7.0f} {:7.0f} | {:5.1f} {:5.1f} {:5.1f} "
        "| {:8} "
        "{:6.0f} | {:.4f}\n",
        of.bbr ? "bbr" : "cubic", n, of.bottleneck.bits_per_second() / 1'000'000, periodic,
        median(reactive), pleat, last.said.update_bytes, last.said.heartbeat_bytes,
        static_cast<double>(periodic) / static_cast<double>(pleat),
        static_cast<double>(median(reactive)) / static_cast<double>(pleat),
        static_cast<double>(last.said.update_bytes) / n, static_cast<double>(changes) / n,
        static_cast<double>(early) / n, median(tcp),
        static_cast<double>(periodic * (kMachines - 1)) / static_cast<double>(median(tcp)), worst);
    std::fflush(stdout);
}

// ---- pings

struct Echo {
    Instant at;
    FlowKey flow;
    bool is_answer;

    friend bool operator<(const Echo& a, const Echo& b) { return b.at < a.at; }
};

// Every host pings another once a second for a minute.
void print_pings() {
    const Scenario scenario = thesis_4000();
    const PathFolder folder{scenario};
    const auto table = std::make_shared<const PathTable>(compute_epochs(scenario).base);
    const auto hosts = static_cast<std::uint32_t>(scenario.topology.hosts().size());
    Instant now{1000s};
    std::vector<std::string> said;
    std::vector<std::unique_ptr<SharingMachine>> machines;
    for (std::size_t i = 0; i < kMachines; ++i) {
        SharingMachine::Outputs outputs;
        outputs.say = [&said, i](const std::string& bytes) {
            said.push_back(std::to_string(i) + bytes);
        };
        machines.push_back(std::make_unique<SharingMachine>(fmt::format("m{}", i), folder, table,
                                                            now + 10ms + i * 110ms, outputs));
    }
    std::map<FlowKey, std::shared_ptr<FlowCounters>> counters;
    std::priority_queue<Echo> echoes;
    std::mt19937_64 random{1};
    for (std::uint32_t host = 0; host < hosts; ++host) {
        const HostId other{static_cast<std::uint32_t>((host + 1 + random() % (hosts - 1)) % hosts)};
        echoes.push(
            {now + std::chrono::microseconds{random() % 1'000'000}, {HostId{host}, other}, false});
    }
    std::uint64_t packets = 0;
    for (const Instant end = now + kTime; now < end; now += 10ms) {
        while (echoes.top().at <= now) {
            const Echo echo = echoes.top();
            echoes.pop();
            auto& of = counters[echo.flow];
            if (!of) of = std::make_shared<FlowCounters>();
            of->bytes += 98;
            of->packets += 1;
            of->last_arrival_ns = now.time_since_epoch().count();
            ++packets;
            machines[echo.flow.source.value % kMachines]->sharer().flow_started(
                {echo.flow, now, of}, now);
            if (echo.is_answer) continue;
            const auto path = folder.fold(*table, echo.flow.source, echo.flow.destination);
            echoes.push({echo.at + 1s, echo.flow, false});
            if (path) {
                echoes.push(
                    {echo.at + path->latency, {echo.flow.destination, echo.flow.source}, true});
            }
        }
        for (const auto& machine : machines) machine->tick(now);
        for (const std::string& message : std::exchange(said, {})) {
            for (std::size_t to = 0; to < kMachines; ++to) {
                const auto from = static_cast<std::size_t>(message[0] - '0');
                if (to == from) continue;
                machines[to]->hear(machines[from]->name(), message.substr(1), now);
            }
        }
    }
    Said all;
    for (const auto& machine : machines) all += machine->said();
    fmt::print(
        "{} hosts ping once a second for 60 s: {} packets, {} updates, {} heartbeats, {} bytes\n",
        hosts, packets, all.updates, all.heartbeats, all.bytes());
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t seeds = 5;
    if (argc > 1) {
        const std::string_view text{argv[1]};
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seeds);
        if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || seeds == 0) {
            fmt::print(stderr, "usage: bench_metadata [how many seeds]\n");
            return 2;
        }
    }
    print_pings();
    fmt::print(
        "Control bytes of four machines, medians of {} seeds:\n"
        "  TCP     n  Mbps |  periodic  reactive |   pleat (updates, heartbeats) | periodic and "
        "reactive / pleat | a flow: bytes, changes, in 3 s | on TCP, periodic x 3 / it | "
        "worst share\n",
        seeds);
    for (const bool bbr : {false, true}) {
        for (const std::int64_t mbps : {100, 1000}) {
            for (const std::uint32_t n : {10, 50, 100, 200}) {
                print_dumbbell({n, Bandwidth::bits_per_second(mbps * 1'000'000), bbr, 0}, seeds);
            }
        }
    }
    return 0;
}
