// The demand machine, look by look. Numbers in parentheses are those of its file.
#include <optional>
#include <vector>

#include <catch2/catch.hpp>

#include "model/demand_machine.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace std::chrono_literals;

namespace {

using Phase = DemandMachine::Phase;

// A flow as its path's counters show it, looked at every 10 ms. It departs at a rate in
// whole packets, with its queue full or empty.
class Flow {
  public:
    explicit Flow(FlowTerms terms, std::int64_t packet_bytes = 1514)
        : terms_{terms}, bytes_{packet_bytes} {
        reading_.count.at = now_;
        machine_.start(reading_.count);
    }

    // Goes on for `time` at `bits_per_second`.
    void run(Duration time, double bits_per_second, bool backlogged = false) {
        for (const Instant end = now_ + time; now_ < end;) {
            now_ += 10ms;
            owed_ += bits_per_second * 0.01 / (static_cast<double>(bytes_) * 8.0);
            const auto packets = static_cast<std::uint64_t>(owed_);
            owed_ -= static_cast<double>(packets);
            look(packets, backlogged);
        }
    }

    // One tick in which so many packets departed.
    void burst(std::uint64_t packets) {
        now_ += 10ms;
        look(packets, false);
    }

    // As if another machine like it had judged the flow until now.
    void resume(DemandState state) {
        machine_ = DemandMachine{};
        machine_.resume(reading_.count, state);
        forget();
    }

    void set_cap(Bandwidth cap) { terms_.cap = cap; }

    Phase phase() const { return machine_.phase(); }

    DemandState state() const { return machine_.state(); }

    double limit_mbps() const { return machine_.state().rate() / 1e6; }

    std::size_t published() const { return published_.size(); }

    bool was_ever(Phase phase) const {
        return std::find(phases_.begin(), phases_.end(), phase) != phases_.end();
    }

    void forget() {
        published_.clear();
        phases_.clear();
    }

  private:
    void look(std::uint64_t packets, bool backlogged) {
        reading_.count.at = now_;
        reading_.count.packets += packets;
        reading_.count.bytes += packets * static_cast<std::uint64_t>(bytes_);
        if (backlogged) reading_.count.waited += 10ms;
        reading_.queued = DataSize::bytes(backlogged ? 2 * bytes_ : 0);
        if (packets > 0 || backlogged) reading_.last_arrival = now_;
        if (machine_.phase() == Phase::idle) {
            if (packets == 0) return;
            machine_.start(reading_.count);
        }
        const auto state = machine_.observe(reading_, terms_);
        if (state) published_.push_back(*state);
        phases_.push_back(machine_.phase());
    }

    FlowTerms terms_;
    std::int64_t bytes_;
    Instant now_{1000s};
    double owed_ = 0.0;
    FlowReading reading_;
    DemandMachine machine_;
    std::vector<DemandState> published_;
    std::vector<Phase> phases_;
};

constexpr FlowTerms kUsual{30_Mbps, 40ms};

}  // namespace

TEST_CASE("a flow that is resumed stays what it was while it does the same") {
    Flow greedy{{10_Mbps, 20ms}};
    greedy.resume(DemandState::greedy());
    CHECK(greedy.phase() == Phase::greedy);
    greedy.run(3s, 10e6, true);
    CHECK(greedy.published() == 0);

    Flow limited{{100_Mbps, 20ms}};
    const DemandState forty = DemandState::limited(40_Mbps);
    limited.resume(forty);
    limited.run(3s, 39e6);
    CHECK(limited.published() == 0);
    CHECK(limited.state() == forty);

    // What has changed meanwhile is seen as ever.
    Flow slower{{10_Mbps, 20ms}};
    slower.resume(DemandState::greedy());
    slower.run(2s, 2e6);
    CHECK(slower.phase() == Phase::limited);
    CHECK(slower.limit_mbps() == Approx(2.16).epsilon(0.1));
}

TEST_CASE("a ping a second is a mouse and never published (1)") {
    Flow flow{kUsual, 98};
    for (int i = 0; i < 20; ++i) {
        flow.burst(1);
        flow.run(990ms, 0);
    }
    CHECK(flow.published() == 0);
    CHECK(flow.phase() == Phase::idle);
}

TEST_CASE("ten packets a second are a mouse, eleven are not (1)") {
    Flow ten{kUsual, 98};
    for (int i = 0; i < 30; ++i) {
        ten.burst(1);
        ten.run(90ms, 0);
    }
    CHECK(ten.published() == 0);
    Flow eleven{kUsual, 98};
    for (int i = 0; i < 30; ++i) {
        eleven.burst(1);
        eleven.run(70ms, 0);
    }
    CHECK(eleven.state().is_limited());
    CHECK(eleven.published() <= 2);
}

TEST_CASE("few packets that fill a slow link are no mouse, small ones are (1)") {
    Flow large{{128_kbps, 40ms}};
    large.run(2s, 64'000);
    CHECK(large.state().is_limited());
    Flow small{{128_kbps, 40ms}, 98};
    small.run(2s, 5 * 98 * 8);
    CHECK(small.published() == 0);
}

TEST_CASE("few packets that wait long on a slow link are no mouse (1)") {
    Flow flow{{256_kbps, 40ms}};
    flow.run(200ms, 64'000, true);
    CHECK_FALSE(flow.state().is_gone());
}

TEST_CASE("a flow that fell silent is gone 100 ms later, whatever it was (2)") {
    Flow greedy{kUsual};
    greedy.run(500ms, 30e6, true);
    REQUIRE(greedy.state().is_greedy());
    greedy.run(90ms, 0);
    CHECK(greedy.state().is_greedy());
    greedy.run(20ms, 0);
    CHECK(greedy.state().is_gone());
    CHECK(greedy.phase() == Phase::idle);

    Flow limited{kUsual};
    limited.run(2s, 5e6);
    REQUIRE(limited.state().is_limited());
    limited.run(110ms, 0);
    CHECK(limited.state().is_gone());
}

TEST_CASE("on a slow link silence lasts three packets (2)") {
    // 1514 bytes take 94.6 ms: a packet each 120 ms is not silence.
    Flow flow{{128_kbps, 40ms}};
    flow.run(2s, 128'000, true);
    REQUIRE(flow.state().is_greedy());
    flow.run(250ms, 0);
    CHECK(flow.state().is_greedy());
    flow.run(50ms, 0);
    CHECK(flow.state().is_gone());
}

TEST_CASE("a backlogged flow is greedy within 50 ms (3)") {
    Flow flow{kUsual};
    flow.run(50ms, 30e6, true);
    CHECK(flow.state().is_greedy());
}

TEST_CASE("a flow that uses its cap without backlog is greedy (3)") {
    Flow flow{kUsual};
    flow.run(300ms, 29.5e6);
    CHECK(flow.state().is_greedy());
}

TEST_CASE("a flow of constant rate is limited a little above it, and quiet (4)") {
    for (const double rate : {0.5e6, 2e6, 5e6, 11e6, 20e6}) {
        Flow flow{kUsual};
        flow.run(3s, rate);
        INFO(rate);
        REQUIRE(flow.state().is_limited());
        CHECK(flow.limit_mbps() * 1e6 >= rate);
        CHECK(flow.limit_mbps() * 1e6 <= 1.2 * rate + 0.15e6);  // a packet in 80 ms
        flow.forget();
        flow.run(20s, rate);
        CHECK(flow.published() == 0);
    }
}

TEST_CASE("half of a link of 128 kbit/s, in whole packets, is a steady demand (4)") {
    Flow flow{{128_kbps, 40ms}};
    flow.run(10s, 64'000);
    REQUIRE(flow.state().is_limited());
    flow.forget();
    flow.run(60s, 64'000);
    CHECK(flow.published() == 0);
}

TEST_CASE("ACKs of a link of 128 kbit/s do not come and go (1)") {
    Flow flow{{60_Mbps, 40ms}, 66};
    flow.run(10s, 10.57 * 66 * 8);
    flow.forget();
    flow.run(60s, 10.57 * 66 * 8);
    CHECK(flow.published() == 0);
}

TEST_CASE("a greedy flow whose share moves stays greedy and says nothing (8)") {
    Flow flow{kUsual};
    flow.run(1s, 30e6, true);
    flow.forget();
    for (const double share : {20e6, 17e6, 45e6, 5e6, 60e6}) {
        flow.set_cap(Bandwidth::bits_per_second(static_cast<std::int64_t>(share)));
        flow.run(1s, share, true);
    }
    CHECK(flow.published() == 0);
    CHECK(flow.state().is_greedy());
}

TEST_CASE("a greedy flow that recovers from a loss stays greedy (5)") {
    Flow flow{kUsual};
    flow.run(2s, 30e6, true);
    flow.forget();
    flow.run(80ms, 0);      // waits for acknowledgements
    flow.run(300ms, 18e6);  // 0.6 of its share, nothing waits
    flow.run(1s, 30e6, true);
    CHECK(flow.published() == 0);
    CHECK(flow.state().is_greedy());
}

TEST_CASE("a greedy flow that probes the RTT as BBR does stays greedy (5)") {
    for (const Duration rtt : {20ms, 40ms, 80ms}) {
        Flow flow{{30_Mbps, rtt}};
        flow.run(2s, 30e6, true);
        flow.forget();
        for (int i = 0; i < 5; ++i) {
            flow.run(200ms + rtt, 4 * 1514 * 8e9 / static_cast<double>(rtt.count()));
            flow.run(2s, 29.4e6);
        }
        INFO(rtt.count());
        CHECK(flow.published() == 0);
    }
}

TEST_CASE("a greedy flow that grows into a larger cap in steps stays greedy (5, 6)") {
    Flow flow{kUsual};
    flow.run(1s, 30e6, true);
    flow.forget();
    flow.set_cap(60_Mbps);
    // A quarter more each 8 RTT.
    for (double rate = 30e6; rate < 60e6; rate *= 1.25) flow.run(320ms, rate);
    flow.run(1s, 59e6);
    CHECK(flow.published() == 0);
}

TEST_CASE("a greedy flow that wants less is limited after half a second (5)") {
    Flow flow{kUsual};
    flow.run(2s, 30e6, true);
    flow.forget();
    flow.run(450ms, 10e6);
    CHECK(flow.state().is_greedy());
    flow.run(250ms, 10e6);
    REQUIRE(flow.state().is_limited());
    CHECK(flow.limit_mbps() >= 10.0);
    CHECK(flow.limit_mbps() <= 13.0);
    CHECK(flow.published() == 1);
}

TEST_CASE("a limited flow that wants more says so at once, less after a while") {
    Flow flow{kUsual};
    flow.run(3s, 5e6);
    flow.forget();
    flow.run(150ms, 10e6);
    CHECK(flow.limit_mbps() >= 10.0);
    const double raised = flow.limit_mbps();
    flow.run(350ms, 10e6);
    flow.run(400ms, 5e6);
    CHECK(flow.limit_mbps() >= 0.8 * raised);
    flow.run(3s, 5e6);
    CHECK(flow.limit_mbps() < 7.0);
    CHECK(flow.published() <= 5);
}

TEST_CASE("a demand that swings is published less and less (5)") {
    Flow flow{kUsual};
    const auto swing = [&flow](int times) {
        for (int i = 0; i < times; ++i) {
            flow.run(1s, 5e6);
            flow.run(200ms, 10e6);
        }
    };
    swing(10);
    flow.forget();
    swing(20);
    CHECK(flow.published() <= 2);
    CHECK(flow.limit_mbps() >= 10.0);
}

TEST_CASE("a starting TCP flow's demand is ahead of its use (7)") {
    // Slow start, RTT 40 ms, at 30 Mbit/s: rounds of 10, 20, 40 packets.
    Flow flow{kUsual};
    flow.burst(10);
    flow.run(30ms, 0);
    flow.burst(20);
    flow.run(30ms, 0);
    flow.burst(24);
    CHECK(flow.limit_mbps() > 28.0);
}

TEST_CASE("ticks that are late or missing do no harm") {
    DemandMachine machine;
    FlowReading reading;
    reading.count.at = Instant{5s};
    machine.start(reading.count);
    std::uint64_t step = 0;
    while (reading.count.at < Instant{20s}) {
        const Duration late = 10ms + 7ms * (step++ * 37 % 11);
        reading.count.at += late;
        reading.count.bytes += static_cast<std::uint64_t>(late.count()) * 20 / 8000;  // 20 Mbit/s
        reading.count.packets = reading.count.bytes / 1514;
        reading.last_arrival = reading.count.at;
        machine.observe(reading, kUsual);
    }
    CHECK(machine.state().rate() > 20e6);
    CHECK(machine.state().rate() < 25e6);
    reading.count.at += 1h;
    CHECK(machine.observe(reading, kUsual)->is_gone());
}

TEST_CASE("stopping says gone once") {
    Flow flow{kUsual};
    DemandMachine machine;
    machine.start({});
    CHECK_FALSE(machine.stop());
    CHECK(machine.phase() == Phase::idle);
}
