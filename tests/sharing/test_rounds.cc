// One change, and a control network of 30 ms: how many messages and how many changes of
// shares it takes until all have what they should have. The whole loop with simulated TCP.
#include <algorithm>
#include <iostream>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/sharing/dumbbell.hh"
#include "tests/sharing/simulated_run.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

constexpr Duration kLatency = 30ms;
constexpr Duration kRound = kLatency + 10ms;  // a message, and a tick
constexpr std::size_t kMachines = 4;
constexpr std::size_t kPairs = 8;
constexpr double kAll = std::numeric_limits<double>::infinity();

FlowKey pair(const SimulatedRun& run, std::size_t i) {
    const std::string index = "[" + std::to_string(i) + "]";
    return run.flow("client" + index, "server" + index);
}

SimulatedRun steady(Scenario scenario = dumbbell(kPairs, 60_Mbps)) {
    return SimulatedRun{std::move(scenario), kMachines, kLatency};
}

// So many pairs send, until 20 s.
void begin(SimulatedRun& run, std::size_t pairs) {
    for (std::size_t i = 0; i < pairs; ++i) {
        run.run_until(std::chrono::milliseconds{100 * i});
        run.send(pair(run, i), std::make_unique<Cubic>(kAll));
    }
    run.run_until(20s);
}

// When states of data flows were published since `from`; by whose source.
std::vector<std::pair<Duration, FlowKey>> published(const SimulatedRun& run, Duration from) {
    std::vector<std::pair<Duration, FlowKey>> result;
    for (const SimulatedRun::Message& message : run.messages()) {
        if (message.at < from) continue;
        for (const FlowState& state : message.flows) {
            for (std::size_t i = 0; i < kPairs; ++i) {
                if (state.flow == pair(run, i)) result.emplace_back(message.at, state.flow);
            }
        }
    }
    return result;
}

// The shares of a flow since `from`, the one in force then first, without changes below 0.1 %.
std::vector<SimulatedRun::Change> shares(const SimulatedRun& run, FlowKey flow, Duration from) {
    std::vector<SimulatedRun::Change> result;
    for (const SimulatedRun::Change& change : run.changes(flow)) {
        const auto now = static_cast<double>(change.share.bits_per_second());
        if (change.at < from) {
            result = {change};
        } else {
            const auto before = static_cast<double>(result.back().share.bits_per_second());
            if (std::abs(now - before) > 0.001 * before) result.push_back(change);
        }
    }
    return result;
}

bool goes_one_way(const std::vector<SimulatedRun::Change>& changes, bool up) {
    return std::ranges::is_sorted(changes, [up](const auto& a, const auto& b) {
        return up ? a.share < b.share : b.share < a.share;
    });
}

// For bench/README.md: what happened. Of the first `flows` pairs.
void tell(const std::string& what, const SimulatedRun& run, Duration event, std::size_t flows) {
    const auto in_ms = [](Duration time) { return static_cast<double>(time.count()) * 1e-6; };
    const auto said = published(run, event);
    std::string times;
    for (const auto& [at, flow] : said) times += fmt::format(" {:.0f}", in_ms(at - event));
    std::size_t most = 0;
    Duration last = event;
    for (std::size_t i = 0; i < flows; ++i) {
        const auto changes = shares(run, pair(run, i), event);
        most = std::max(most, changes.size() - 1);
        if (changes.size() > 1) last = std::max(last, changes.back().at);
    }
    const Duration final_word = said.empty() ? event : said.back().first;
    std::cout << fmt::format(
        "{}: {} messages, ms after it:{}; a share changes at most {} times, the last {:.1f} ms "
        "after the last word ({:.2f} rounds)\n",
        what, said.size(), times, most, in_ms(last - final_word),
        in_ms(last - final_word) / in_ms(kRound));
}

}  // namespace

TEST_CASE("a flow that ends: one message, one change of each share, a round later") {
    SimulatedRun run = steady();
    begin(run, kPairs);
    const Duration event = run.now();
    run.send(pair(run, 3), nullptr);
    run.run_until(30s);
    const auto said = published(run, event);
    tell("a flow ends", run, event, kPairs);
    REQUIRE(said.size() == 1);
    CHECK(said[0].second == pair(run, 3));
    for (std::size_t i = 0; i < kPairs; ++i) {
        if (i == 3) continue;
        const auto changes = shares(run, pair(run, i), event);
        INFO(i);
        REQUIRE(changes.size() == 2);
        CHECK(changes[1].share == Bandwidth::bits_per_second(60'000'000 / 7));
        CHECK(changes[1].at - said[0].first <= kRound);
    }
}

TEST_CASE("a flow that begins: shares only fall, and are final a round after its last message") {
    SimulatedRun run = steady();
    begin(run, kPairs - 1);
    const Duration event = run.now();
    run.send(pair(run, kPairs - 1), std::make_unique<Cubic>(kAll));
    run.run_until(30s);
    // Its own slow start is told in at most four steps; nobody else answers it.
    const auto said = published(run, event);
    tell("a flow begins", run, event, kPairs - 1);
    REQUIRE_FALSE(said.empty());
    CHECK(said.size() <= 4);
    for (const auto& [at, flow] : said) CHECK(flow == pair(run, kPairs - 1));
    for (std::size_t i = 0; i + 1 < kPairs; ++i) {
        const auto changes = shares(run, pair(run, i), event);
        INFO(i);
        CHECK(changes.size() <= said.size() + 1);
        CHECK(goes_one_way(changes, false));
        CHECK(changes.back().share == 7500_kbps);
        CHECK(changes.back().at - said.back().first <= kRound);
    }
    // "Within 200 ms plus the control network's latency".
    std::map<FlowKey, double> expected;
    for (std::size_t i = 0; i + 1 < kPairs; ++i) expected[pair(run, i)] = 7.5e6;
    CHECK(run.settled(expected, event, 30s) - event <= 200ms + kLatency);
}

// What the flow wants is measured over a growing window, so that it is told in steps: up to
// three up, and a last one to what it then turned out to be. Agreement takes a round each.
TEST_CASE("an application that wants more, then less: nobody answers, nothing swings") {
    SimulatedRun run = steady();
    auto application = std::make_unique<Cubic>(2e6);
    Cubic& sender = *application;
    begin(run, kPairs - 1);
    run.send(pair(run, kPairs - 1), std::move(application));
    run.run_until(30s);

    struct Step {
        double wish;
        std::size_t most_messages;
        double most_back;  // of a share, against the way it goes
    };

    for (const Step step : {Step{5e6, 4, 0.01}, Step{1e6, 2, 0.0}}) {
        const Duration event = run.now();
        sender.set_rate(step.wish);
        run.run_until(event + 10s);
        const auto said = published(run, event);
        INFO("to " << step.wish);
        tell(fmt::format("an application wants {:.0f} Mbit/s", step.wish / 1e6), run, event,
             kPairs - 1);
        REQUIRE_FALSE(said.empty());
        CHECK(said.size() <= step.most_messages);
        for (const auto& [at, flow] : said) CHECK(flow == pair(run, kPairs - 1));
        for (std::size_t i = 0; i + 1 < kPairs; ++i) {
            const auto changes = shares(run, pair(run, i), event);
            CHECK(changes.size() <= said.size() + 1);
            CHECK(changes.back().at - said.back().first <= kRound);
            const auto farthest = std::ranges::minmax(changes, {}, &SimulatedRun::Change::share);
            const Bandwidth most = step.wish > 2e6 ? farthest.min.share : farthest.max.share;
            CHECK(
                static_cast<double>(changes.back().share.bits_per_second()) ==
                Approx(static_cast<double>(most.bits_per_second())).epsilon(step.most_back + 1e-9));
        }
    }
}

TEST_CASE("a link event: no message of any data flow, one change of each share, at once") {
    Scenario scenario = dumbbell(kPairs, 60_Mbps);
    LinkPatch wider;
    wider.bandwidth = 80_Mbps;
    set_link(scenario, 20s, "s1", "s2", wider);
    SimulatedRun run = steady(std::move(scenario));
    begin(run, kPairs);
    const Duration event = run.now();
    run.run_until(30s);
    tell("a link changes", run, event, kPairs);
    CHECK(published(run, event).empty());
    for (std::size_t i = 0; i < kPairs; ++i) {
        const auto changes = shares(run, pair(run, i), event);
        REQUIRE(changes.size() == 2);
        CHECK(changes[1].share == 10_Mbps);
        CHECK(changes[1].at - event <= 1ms);
    }
}
