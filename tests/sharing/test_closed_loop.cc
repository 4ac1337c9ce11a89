// The whole loop with simulated senders: the thesis' experiments, and what must not
// happen in them. Rates are those of the simulated plane, from a second after an event.
#include <catch2/catch.hpp>

#include "tests/sharing/dumbbell.hh"
#include "tests/sharing/simulated_run.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

constexpr double kAll = std::numeric_limits<double>::infinity();

std::unique_ptr<Sender> tcp(double bits_per_second = kAll) {
    return std::make_unique<Cubic>(bits_per_second);
}

std::string number(std::string_view name, std::size_t i) {
    return std::string{name} + "[" + std::to_string(i) + "]";
}

FlowKey pair(const SimulatedRun& run, std::size_t i) {
    return run.flow(number("client", i), number("server", i));
}

// From an event on: the shares that must be in force after `within`, in Mbit/s by pair
// (0: none), and about the rates of TCP.
struct Interval {
    Duration begin;
    Duration end;
    Duration within;
    std::vector<double> mbps;
};

void check(const SimulatedRun& run, const Interval& interval) {
    std::map<FlowKey, double> expected;
    for (std::size_t i = 0; i < interval.mbps.size(); ++i) {
        if (interval.mbps[i] > 0.0) expected[pair(run, i)] = interval.mbps[i] * 1e6;
    }
    INFO("from " << interval.begin.count() / 1'000'000 << " ms");
    CHECK(run.settled(expected, interval.begin, interval.end) - interval.begin <= interval.within);
    for (const auto& [flow, rate] : expected) {
        CHECK(run.rate(flow, interval.begin + 2s, interval.end) == Approx(rate).epsilon(0.03));
    }
}

// How often the data flows' states were published.
std::size_t data_messages(const SimulatedRun& run, std::size_t pairs) {
    std::size_t count = 0;
    for (const SimulatedRun::Message& message : run.messages()) {
        bool data = false;
        for (const FlowState& state : message.flows) {
            for (std::size_t i = 0; i < pairs; ++i) data = data || state.flow == pair(run, i);
        }
        count += data ? 1 : 0;
    }
    return count;
}

Scenario figure_5_3() {
    Scenario scenario = dumbbell(3, 60_Mbps);
    LinkPatch slower;
    slower.latency = 10ms;
    for (std::size_t i = 0; i < 3; ++i) {
        set_link(scenario, 30s + 10s * static_cast<std::int64_t>(i), number("client", i), "s1",
                 slower);
    }
    LinkPatch wider;
    wider.bandwidth = 90_Mbps;
    set_link(scenario, 60s, "s1", "s2", wider);
    return scenario;
}

// Client 1's RTT rises from 40 to 50 ms at 30 s, and so on.
std::vector<Interval> figure_5_3_intervals() {
    return {
        {0s, 10s, 0ms, {60, 0, 0}},
        {10s, 20s, 150ms, {30, 30, 0}},
        {20s, 30s, 150ms, {20, 20, 20}},
        {30s, 40s, 0ms, {60 * 4.0 / 14, 60 * 5.0 / 14, 60 * 5.0 / 14}},
        {40s, 50s, 0ms, {60 * 4.0 / 13, 60 * 4.0 / 13, 60 * 5.0 / 13}},
        {50s, 60s, 0ms, {20, 20, 20}},
        {60s, 70s, 0ms, {30, 30, 30}},
        {70s, 80s, 0ms, {0, 45, 45}},
    };
}

void play_figure_5_3(SimulatedRun& run) {
    for (std::size_t i = 0; i < 3; ++i) {
        run.run_until(10s * static_cast<std::int64_t>(i));
        run.send(pair(run, i), tcp());
    }
    run.run_until(70s);
    run.crash("client[0]");
    run.run_until(80s);
}

}  // namespace

TEST_CASE("figure 5.3: every share is exact and in force in time, with few messages") {
    SimulatedRun run{figure_5_3()};
    play_figure_5_3(run);
    for (const Interval& interval : figure_5_3_intervals()) check(run, interval);
    CHECK(data_messages(run, 3) <= 13);
    CHECK(run.messages().size() <= 30);  // with those of the ACKs' flows
}

TEST_CASE("figure 5.3 on three machines: the same, a message later") {
    SimulatedRun run{figure_5_3(), 3};
    play_figure_5_3(run);
    for (Interval interval : figure_5_3_intervals()) {
        // A crash is known to the others by a message.
        if (interval.begin == 70s) interval.within = 20ms;
        check(run, interval);
    }
    CHECK(data_messages(run, 3) <= 13);
}

TEST_CASE("figure 5.5: access links, a narrow bottleneck and a cut link") {
    Scenario scenario = dumbbell(2, 60_Mbps);
    LinkPatch slow;
    slow.bandwidth = 10_Mbps;
    set_link(scenario, 30s, "client[0]", "s1", slow);
    set_link(scenario, 40s, "client[1]", "s1", slow);
    LinkPatch narrow;
    narrow.bandwidth = 5_Mbps;
    set_link(scenario, 50s, "s1", "s2", narrow);
    cut_link(scenario, 60s, "client[1]", "s1");
    SimulatedRun run{std::move(scenario)};
    run.send(pair(run, 0), tcp());
    run.run_until(10s);
    run.send(pair(run, 1), tcp());
    run.run_until(70s);
    for (const Interval& interval : std::vector<Interval>{{0s, 10s, 0ms, {60, 0}},
                                                          {10s, 30s, 150ms, {30, 30}},
                                                          {30s, 40s, 0ms, {10, 50}},
                                                          {40s, 50s, 0ms, {10, 10}},
                                                          {50s, 60s, 0ms, {2.5, 2.5}},
                                                          {60s, 70s, 0ms, {5, 0}}}) {
        check(run, interval);
    }
    CHECK(data_messages(run, 2) <= 10);
}

TEST_CASE("a flow that stops leaves its share within 150 ms of the idle rule") {
    SimulatedRun run{dumbbell(2, 60_Mbps)};
    run.send(pair(run, 0), tcp());
    run.send(pair(run, 1), tcp());
    run.run_until(5s);
    run.send(pair(run, 1), nullptr);
    // Its queue drains in 20 ms or less, then 100 ms of silence, then a tick.
    run.run_until(10s);
    CHECK(run.settled({{pair(run, 0), 60e6}}, 5s, 10s) - 5s <= 150ms);
    run.send(pair(run, 0), nullptr);
    run.run_until(12s);
    CHECK(run.idle());
}

TEST_CASE("BBR's flows share exactly, and none is taken for limited") {
    SimulatedRun run{dumbbell(2, 60_Mbps)};
    run.send(pair(run, 0), std::make_unique<Bbr>());
    run.run_until(10s);
    run.send(pair(run, 1), std::make_unique<Bbr>());
    run.run_until(45s);
    // Its start is slower than slow start is.
    CHECK(run.settled({{pair(run, 0), 30e6}, {pair(run, 1), 30e6}}, 10s, 45s) - 10s <= 250ms);
    for (const SimulatedRun::Message& message : run.messages()) {
        if (message.at <= 11s) continue;
        for (const FlowState& state : message.flows) {
            CHECK(state.flow != pair(run, 0));
            CHECK(state.flow != pair(run, 1));
        }
    }
}

TEST_CASE("what an application does not want the others have") {
    SimulatedRun run{dumbbell(2, 60_Mbps)};
    const FlowKey greedy = pair(run, 0);
    const FlowKey limited = pair(run, 1);
    run.send(greedy, tcp());
    run.run_until(5s);
    auto application = std::make_unique<Cubic>(5e6);
    Cubic& sender = *application;
    run.send(limited, std::move(application));

    struct Step {
        double wish_mbps;
        double other_at_least;
    };

    Duration at = 5s;
    for (const Step step : {Step{5, 53}, Step{12, 46}, Step{16, 41.5}}) {
        sender.set_rate(step.wish_mbps * 1e6);
        run.run_until(at + 10s);
        CHECK(run.rate(limited, at + 2s, at + 10s) == Approx(step.wish_mbps * 1e6).epsilon(0.02));
        CHECK(run.rate(greedy, at + 2s, at + 10s) >= step.other_at_least * 1e6);
        CHECK(run.rate(greedy, at + 2s, at + 10s) <= (60 - step.wish_mbps) * 1.01e6);
        at += 10s;
    }
    sender.set_rate(kAll);
    run.run_until(at + 10s);
    CHECK(run.rate(limited, at + 1s, at + 10s) == Approx(30e6).epsilon(0.02));
    CHECK(data_messages(run, 2) <= 20);
}

TEST_CASE("a flow that is on and off has its share while it is on") {
    SimulatedRun run{dumbbell(2, 60_Mbps)};
    run.send(pair(run, 0), tcp());
    run.run_until(2s);
    for (Duration at = 2s; at < 22s; at += 4s) {
        run.send(pair(run, 1), std::make_unique<Datagrams>(50e6));
        run.run_until(at + 2s);
        CHECK(run.rate(pair(run, 1), at + 100ms, at + 2s) == Approx(30e6).epsilon(0.01));
        run.send(pair(run, 1), nullptr);
        run.run_until(at + 4s);
        CHECK(run.rate(pair(run, 0), at + 3s, at + 4s) == Approx(60e6).epsilon(0.03));
    }
    CHECK(data_messages(run, 2) <= 25);
}

TEST_CASE("links of 128 kbit/s to 1 Mbit/s are shared in halves, without flapping") {
    for (const Bandwidth rate : {128_kbps, 256_kbps, 512_kbps, 1000_kbps}) {
        SimulatedRun run{dumbbell(2, rate)};
        const double half = static_cast<double>(rate.bits_per_second()) / 2;
        run.send(pair(run, 0), tcp());
        run.run_until(20s);
        run.send(pair(run, 1), tcp());
        run.run_until(80s);
        INFO(2 * half);
        CHECK(run.settled({{pair(run, 0), half}, {pair(run, 1), half}}, 20s, 80s) - 20s <= 150ms);
        CHECK(run.rate(pair(run, 0), 25s, 80s) == Approx(half).epsilon(0.03));
        CHECK(run.rate(pair(run, 1), 25s, 80s) == Approx(half).epsilon(0.03));
        CHECK(data_messages(run, 2) <= 4);
        CHECK(run.messages().size() <= 12);
    }
}

TEST_CASE("pings cause no message while TCP runs beside them") {
    SimulatedRun run{dumbbell(4, 60_Mbps)};
    for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t j = 0; j < 4; ++j) {
            run.send(run.flow(number("client", i), number("server", j)),
                     std::make_unique<Datagrams>(98 * 8, 98));
        }
    }
    run.run_until(20s);
    CHECK(run.messages().empty());
    run.send(run.flow("server[0]", "server[1]"), tcp());
    run.run_until(30s);
    CHECK(run.messages().size() <= 12);
}

TEST_CASE("long flows cost control bytes when they begin and end, and heartbeats") {
    constexpr std::size_t kMachines = 4;
    double per_flow_before = 0.0;
    for (const std::uint32_t n : {10U, 50U}) {
        SimulatedRun run{dumbbell(n, 100_Mbps), kMachines};
        for (std::uint32_t i = 0; i < n; ++i) {
            run.run_until(1s / n * i);
            run.send(pair(run, i), tcp());
        }
        run.run_until(5s);
        const std::size_t begun = run.messages().size();
        run.run_until(60s);
        for (std::uint32_t i = 0; i < n; ++i) run.send(pair(run, i), nullptr);
        run.run_until(62s);
        INFO("clients " << n);
        // 256 bytes from each client 20 times a second, as in the thesis; a machine that
        // has nothing to say speaks twice a second.
        const double periodic = 256.0 * 20 * 60 * n;
        CHECK(periodic / static_cast<double>(run.said().bytes()) >= 100.0);
        CHECK(run.said().heartbeats == 2 * kMachines * 62);
        CHECK(run.said().updates == run.messages().size());
        CHECK(run.messages().size() - begun <= 10 + n / 2);
        const double per_flow = static_cast<double>(run.said().update_bytes) / n;
        if (per_flow_before > 0.0) CHECK(per_flow <= per_flow_before);
        per_flow_before = per_flow;
    }
}
