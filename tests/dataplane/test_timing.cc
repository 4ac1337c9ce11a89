#include <map>
#include <random>

#include <catch2/catch.hpp>

#include "base/mailbox.hh"
#include "model/punctuality.hh"
#include "node/dataplane/lateness.hh"
#include "node/dataplane/timer_heap.hh"
#include "node/dataplane/wake_planner.hh"

using namespace pleat;
using namespace std::chrono_literals;

TEST_CASE("timers come in the order of their instants, however they were set and moved") {
    std::mt19937_64 random{3};
    TimerHeap heap;
    std::map<TimerHeap::TimerId, FineInstant> expected;
    for (int i = 0; i < 50; ++i) heap.add();
    for (int step = 0; step < 20'000; ++step) {
        const auto id = static_cast<TimerHeap::TimerId>(random() % 50);
        if (random() % 3 == 0) {
            heap.unset(id);
            expected.erase(id);
        } else {
            const FineInstant when{Ticks{static_cast<std::int64_t>(random() % 100)}};
            heap.set(id, when);
            expected[id] = when;
        }
        REQUIRE(heap.empty() == expected.empty());
        if (expected.empty()) continue;
        const auto first =
            std::min_element(expected.begin(), expected.end(), [](const auto& a, const auto& b) {
                return std::pair{a.second, a.first} < std::pair{b.second, b.first};
            });
        REQUIRE(heap.next_at() == first->second);
        REQUIRE(heap.next() == first->first);
    }
}

TEST_CASE("quantiles of lateness are at most a fourth too high, never too low") {
    Lateness lateness;
    CHECK(lateness.quantile(0.5) == 0ns);
    for (int i = 1; i <= 1000; ++i) lateness.record(i * 1us);
    lateness.record(-5us);  // early is not late
    for (const double share : {0.1, 0.5, 0.99}) {
        const auto exact = static_cast<double>(Duration{1ms}.count()) * share;
        CHECK(static_cast<double>(lateness.quantile(share).count()) >= exact * 0.999);
        CHECK(static_cast<double>(lateness.quantile(share).count()) <= exact * 1.26);
    }
    CHECK(lateness.max() == 1ms);
}

TEST_CASE("the worst lateness is that since it was taken last") {
    Lateness lateness;
    CHECK_FALSE(lateness.take_worst());
    for (const Duration late : {3us, 7us, 5us}) lateness.record(late);
    CHECK(lateness.take_worst() == Duration{7us});
    CHECK_FALSE(lateness.take_worst());
    lateness.record(-2us);  // early is not late
    CHECK(lateness.take_worst() == Duration{0us});
    lateness.record(4us);
    CHECK(lateness.take_worst() == Duration{4us});
    CHECK(lateness.max() == 7us);
}

TEST_CASE("a packet that is read after a hold-up has not come before it") {
    const Instant woken{1s};
    CHECK(WakePlanner::arrival(woken, woken) == woken);
    CHECK(WakePlanner::arrival(woken, woken + 80us) == woken);
    CHECK(WakePlanner::arrival(woken, woken + 81us) == woken + 81us);
    CHECK(WakePlanner::arrival(woken, woken + 5ms) == woken + 5ms);
}

TEST_CASE("without a deadline there is nothing to wake for") {
    WakePlanner planner;
    CHECK_FALSE(planner.sleep(std::nullopt, Instant{1s}, false));
}

TEST_CASE("a sleep ends early by what nine of ten sleeps need") {
    WakePlanner planner;
    std::mt19937_64 random{5};
    for (int i = 0; i < 20'000; ++i) planner.overslept(Duration{20'000 + random() % 40'000});
    CHECK(planner.lead() > 50us);
    CHECK(planner.lead() < 62us);
    CHECK(planner.usual_latency() > 34us);
    CHECK(planner.usual_latency() < 46us);
    const auto sleep = planner.sleep(Instant{1s} + 10ms, Instant{1s}, false);
    REQUIRE(sleep);
    CHECK(*sleep == 10ms - planner.lead());
}

TEST_CASE("polling takes an eighth of the time at most, but for important instants") {
    WakePlanner planner;
    Instant now{1s};
    Duration polled{};
    // The next deadline is always near.
    while (now < Instant{11s}) {
        const auto sleep = planner.sleep(now + 10us, now, false);
        REQUIRE(sleep);
        if (*sleep == 0ns) polled += 1us;
        now += *sleep == 0ns ? 1us : 10us;
    }
    CHECK(polled < 1300ms);
    CHECK(polled > 1000ms);
    CHECK(*planner.sleep(now + 10us, now, true) == 0ns);
}

TEST_CASE("what is late as a rule is no hold-up") {
    Punctuality punctuality;
    const auto pass = [&punctuality](int wake_ups, int n, Duration held_up) {
        for (int i = 1; i <= wake_ups; ++i) punctuality.observe(i % n == 0 ? held_up : 20us);
    };
    pass(20'000, 1, 20us);
    CHECK(punctuality.usual() == 100us);
    pass(20'000, 500, 50ms);
    CHECK(punctuality.usual() == 100us);
    pass(20'000, 1, 1ms);
    CHECK(punctuality.usual() >= 990us);
    CHECK(punctuality.usual() < 1100us);
    pass(20'000, 1, 1s);
    CHECK(punctuality.usual() == 5ms);
}

TEST_CASE("a mailbox hands over what was posted, in order, and wakes its reader once") {
    Mailbox<int> mailbox;
    std::uint64_t wakes = 0;
    CHECK(::read(mailbox.fd(), &wakes, sizeof wakes) < 0);
    mailbox.post(1);
    mailbox.post(2);
    CHECK(mailbox.take() == std::vector<int>{1, 2});
    CHECK(mailbox.take().empty());
    CHECK(::read(mailbox.fd(), &wakes, sizeof wakes) < 0);
    mailbox.post(3);
    CHECK(::read(mailbox.fd(), &wakes, sizeof wakes) == sizeof wakes);
}
