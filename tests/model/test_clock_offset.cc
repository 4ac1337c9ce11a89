// ClockOffset against simulated clocks, whose truth is known.
#include <cmath>
#include <random>
#include <ranges>

#include <catch2/catch.hpp>

#include "model/clock_offset.hh"

using namespace pleat;
using namespace std::chrono_literals;

namespace {

using Random = std::mt19937_64;

double uniform(Random& random, double from, double to) {
    return std::uniform_real_distribution<double>{from, to}(random);
}

// A clock whose rate differs by `skew` and wanders: its true reading at any instant of ours.
class SimulatedClock {
  public:
    // The rate moves by at most `wander` a second, and turns round now and then.
    SimulatedClock(Random& random, double skew, double wander) : skew_{skew} {
        for (double& bend : bends_) bend = uniform(random, -wander, wander);
    }

    // Called with instants that never fall back.
    PeerInstant read(Instant mine) {
        const double second = std::chrono::duration<double>{mine.time_since_epoch()}.count();
        while (at_ < second) {
            const double end = std::min(second, std::floor(at_ + 1));
            const double time = end - at_;
            const double bend = bends_[static_cast<std::size_t>(at_) % bends_.size()];
            ahead_ += skew_ * time + bend * time * time / 2;
            skew_ = skew_ + bend * time;
            at_ = end;
        }
        return PeerInstant{mine.time_since_epoch() + 77h + step_ +
                           Duration{static_cast<std::int64_t>(std::llround(ahead_ * 1e9))}};
    }

    void step(Duration by) { step_ += by; }

  private:
    double skew_;
    std::vector<double> bends_ = std::vector<double>(37);
    double at_ = 0;
    double ahead_ = 0;
    Duration step_{};
};

// Never quicker than `least`, mostly little more, sometimes much.
Duration delay(Random& random, Duration least, Duration usual) {
    double more = std::exponential_distribution<double>{1.0}(random);
    if (random() % 20 == 0) more *= 50;
    return least + Duration{static_cast<std::int64_t>(more * static_cast<double>(usual.count()))};
}

struct Network {
    Duration least_there;
    Duration least_back;
    Duration usual;
};

// One exchange begun at `now`; afterwards `now` is when it has ended.
ClockExchange exchange(Random& random, SimulatedClock& clock, const Network& network,
                       Instant& now) {
    ClockExchange one{.sent = now, .answered = {}, .received = {}};
    now += delay(random, network.least_there, network.usual);
    one.answered = clock.read(now);
    now += delay(random, network.least_back, network.usual);
    one.received = now;
    return one;
}

Duration off(PeerInstant a, PeerInstant b) {
    return std::chrono::abs(a - b);
}

}  // namespace

TEST_CASE("before the first exchange nothing is known") {
    const ClockOffset offset;
    CHECK_FALSE(offset.peer_at(Instant{1s}));
    CHECK_FALSE(offset.local_at(PeerInstant{1s}));
    CHECK_FALSE(offset.smallest_round_trip());
}

TEST_CASE("one exchange bounds the offset by half its round trip") {
    ClockOffset offset;
    offset.observe({Instant{10s}, PeerInstant{110s}, Instant{10s + 200us}});
    const PeerReading reading = *offset.peer_at(Instant{10s + 100us});
    CHECK(off(reading.at, PeerInstant{110s}) <= 1ns);
    CHECK(reading.bound >= 100us);
    CHECK(reading.bound < 101us);
    CHECK(offset.smallest_round_trip() == 200us);
    // One exchange says nothing of the rate: the bound grows by the limit, 500 us a second.
    CHECK(offset.peer_at(Instant{12s})->bound > 1100us);
    CHECK(offset.peer_at(Instant{12s})->bound < 1105us);
}

TEST_CASE("the true offset is always within the bound, and the bound is small") {
    struct Case {
        Network network;
        double wander;
        Duration p50;  // what the bound must be below, once 30 s have passed
        Duration p99;
    };

    // A local network, one that is slower one way, and a wide one; wander at the limit.
    const std::vector<Case> cases{
        {{50us, 50us, 20us}, 0.05e-6, 90us, 200us},
        {{50us, 400us, 40us}, 0.05e-6, 350us, 500us},
        {{50us, 50us, 20us}, 1e-6, 120us, 300us},
        {{10ms, 10ms, 1ms}, 0.05e-6, 12ms, 13ms},
    };
    for (const Case& one : cases) {
        std::vector<Duration> bounds;
        std::size_t outside = 0;
        for (std::uint64_t seed = 0; seed < 12; ++seed) {
            Random random{seed};
            SimulatedClock clock{random, uniform(random, -200e-6, 200e-6), one.wander};
            ClockOffset offset;
            Instant now{5s};
            for (int i = 0; i < 8; ++i) {
                CHECK_FALSE(offset.observe(exchange(random, clock, one.network, now)));
            }
            const Instant start = now;
            while (now < start + 120s) {
                CHECK_FALSE(offset.observe(exchange(random, clock, one.network, now)));
                const Instant next =
                    now + std::chrono::milliseconds{500 + static_cast<int>(random() % 1000)};
                for (; now < next; now += 97ms) {
                    const PeerInstant truth = clock.read(now);
                    const PeerReading reading = *offset.peer_at(now);
                    if (off(reading.at, truth) > reading.bound) ++outside;
                    const LocalReading back = *offset.local_at(truth);
                    if (std::chrono::abs(back.at - now) > back.bound) ++outside;
                    if (now > start + 30s) bounds.push_back(reading.bound);
                }
            }
            CHECK(offset.steps() == 0);
        }
        std::ranges::sort(bounds);
        INFO("wander " << one.wander << ", least delays " << one.network.least_there.count()
                       << " and " << one.network.least_back.count() << " ns: bound p50 "
                       << bounds[bounds.size() / 2].count() << " ns, p99 "
                       << bounds[bounds.size() * 99 / 100].count() << " ns");
        CHECK(outside == 0);
        CHECK(bounds[bounds.size() / 2] < one.p50);
        CHECK(bounds[bounds.size() * 99 / 100] < one.p99);
    }
}

TEST_CASE("the bound grows with age, no faster than the limits, and shrinks with a new sample") {
    Random random{7};
    SimulatedClock clock{random, 100e-6, 0};
    const Network network{50us, 50us, 10us};
    ClockOffset offset;
    Instant now{5s};
    for (int i = 0; i < 10; ++i) {
        offset.observe(exchange(random, clock, network, now));
        now += 1s;
    }
    const Duration soon = offset.peer_at(now)->bound;
    const Duration later = offset.peer_at(now + 20s)->bound;
    CHECK(later > soon);
    CHECK(later < soon + 20s * 500e-6 + 400 * 500us);  // rate, and wander 1e-6 * t^2 / 2
    now += 20s;
    offset.observe(exchange(random, clock, network, now));
    CHECK(offset.peer_at(now)->bound < 200us);
}

TEST_CASE("a step of either clock is noticed and the estimate begins anew") {
    for (const Duration by : {Duration{5ms}, Duration{-5ms}, Duration{3h}, Duration{-3h}}) {
        Random random{11};
        SimulatedClock clock{random, -150e-6, 0.05e-6};
        const Network network{50us, 50us, 10us};
        ClockOffset offset;
        Instant now{5s};
        for (int i = 0; i < 20; ++i) {
            CHECK_FALSE(offset.observe(exchange(random, clock, network, now)));
            now += 1s;
        }
        clock.step(by);
        const auto step = offset.observe(exchange(random, clock, network, now));
        REQUIRE(step);
        CHECK(std::chrono::abs(step->size - by) < 1ms);
        CHECK(std::chrono::abs(step->size) <= std::chrono::abs(by));
        CHECK(offset.steps() == 1);
        const PeerReading reading = *offset.peer_at(now);
        CHECK(off(reading.at, clock.read(now)) <= reading.bound);
        for (int i = 0; i < 20; ++i) {
            now += 1s;
            CHECK_FALSE(offset.observe(exchange(random, clock, network, now)));
        }
    }
}

TEST_CASE("the order of exchanges does not matter, and an old one from before a step is nothing") {
    Random random{3};
    SimulatedClock clock{random, 80e-6, 0};
    const Network network{50us, 50us, 100us};
    std::vector<ClockExchange> all;
    Instant now{5s};
    for (int i = 0; i < 12; ++i) {
        all.push_back(exchange(random, clock, network, now));
        now += 300ms;
    }
    ClockOffset forth;
    ClockOffset back;
    for (const ClockExchange& one : all) forth.observe(one);
    for (const ClockExchange& one : std::views::reverse(all)) back.observe(one);
    CHECK(forth.peer_at(now)->at == back.peer_at(now)->at);
    CHECK(forth.peer_at(now)->bound == back.peer_at(now)->bound);

    clock.step(1s);
    CHECK(forth.observe(exchange(random, clock, network, now)));
    const PeerReading before = *forth.peer_at(now);
    CHECK_FALSE(forth.observe(all.back()));
    CHECK(forth.steps() == 1);
    CHECK(forth.peer_at(now)->at == before.at);
}

TEST_CASE("impossible stamps of a peer do no harm") {
    ClockOffset offset;
    constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
    constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
    offset.observe({Instant{10s}, PeerInstant{10s}, Instant{10s + 1ms}});
    offset.observe({Instant{11s}, PeerInstant{Duration{kMost}}, Instant{11s + 1ms}});
    offset.observe({Instant{12s}, PeerInstant{Duration{kLeast}}, Instant{12s + 1ms}});
    offset.observe({Instant{13s}, PeerInstant{Duration{kMost / 2}}, Instant{13s + 1ms}});
    offset.observe({Instant{14s}, PeerInstant{Duration{-(kMost / 2)}}, Instant{14s + 1ms}});
    offset.observe({Instant{15s}, PeerInstant{15s}, Instant{15s + 1ms}});
    CHECK(offset.peer_at(Instant{15s})->bound < 1ms);
}

TEST_CASE("many exchanges in one go are thinned to the fastest") {
    Random random{5};
    SimulatedClock clock{random, 0, 0};
    ClockOffset offset;
    Instant now{5s};
    Duration fastest = 1h;
    for (int i = 0; i < 2000; ++i) {
        const ClockExchange one = exchange(random, clock, {50us, 50us, 300us}, now);
        fastest = std::min(fastest, one.received - one.sent);
        offset.observe(one);
    }
    CHECK(offset.smallest_round_trip() < fastest + 200us);
    CHECK(offset.peer_at(now)->bound < 200us);
}
