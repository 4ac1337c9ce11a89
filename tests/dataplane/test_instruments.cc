// The instruments of the conformance suite, tried on what is known to be so: a veth pair
// that nobody shapes, and the kernel's own shapers set by tc.

#include "tests/dataplane/plane_cases.hh"
#include "tests/dataplane/tally.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

// Two hosts on an underlay.
struct Pair {
    AddressPlan plan;
    Underlay underlay;
    TestHost a{plan, HostId{0}, &underlay};
    TestHost b{plan, HostId{1}, &underlay};

    std::vector<Duration> ping(bool v6 = false) const {
        return testing::ping(
            Echoes{.from = &a, .address = v6 ? b.address6() : b.address(), .count = 50});
    }

    Stream stream(int count) const { return {.from = &a, .to = &b, .count = count}; }
};

// Runs the case where such hosts can be made and tc's command on `a`'s interface works.
void with_qdisc(const std::string& qdisc, const std::function<void(const Pair&)>& test) {
    const std::string missing = missing_for_hosts(AttachmentKind::kernel_interface);
    static Tally tally{"the instruments"};
    // Once, where planes have a machine each.
    if (!is_wanted("netem")) return;
    if (!tally.begin(missing)) return;
    const Pair pair;
    if (!qdisc.empty()) {
        const std::string problem =
            pair.a.run({"sh", "-c", "tc qdisc add dev pleat0 root " + qdisc});
        if (!problem.empty()) {
            tally.skip("qdisc " + qdisc + ": " + problem.substr(0, problem.find('\n')));
            return;
        }
    }
    test(pair);
}

double goodput(const Pair& pair, bool v6) {
    const TcpTransfer transfer{pair.a, pair.b, v6};
    std::this_thread::sleep_for(300ms);
    const std::uint64_t before = transfer.received();
    const Instant from = monotonic_now();
    std::this_thread::sleep_for(600ms);
    const auto passed = static_cast<double>(transfer.received() - before);
    return 8.0 * passed / std::chrono::duration<double>{monotonic_now() - from}.count();
}

}  // namespace

TEST_CASE("what nobody shapes arrives at once and whole") {
    with_qdisc("", [](const Pair& pair) {
        for (const bool v6 : {false, true}) {
            const auto times = pair.ping(v6);
            CHECK(times.size() == 50);
            CHECK(median(times) < 300us);
            Stream plain = pair.stream(500);
            plain.v6 = v6;
            Stream joined = plain;
            joined.count = 50;
            joined.segments = 10;
            const auto results = exchange({plain, joined});
            CHECK(median(results[0].one_way_times()) < 300us);
            for (const StreamResult& result : results) {
                CHECK(result.send_errors == 0);
                // Not in order: a sender that moves to another processor overtakes itself.
                CHECK(std::ranges::count(result.copies(500), 1) == 500);
                for (const Arrival& one : result.arrivals) CHECK_FALSE(one.damaged);
            }
        }
    });
}

TEST_CASE("a delay is seen there and back, and one way") {
    with_qdisc("netem delay 10ms", [](const Pair& pair) {
        const auto times = pair.ping();
        CHECK(times.size() == 50);
        CHECK(times.front() >= 10ms);
        CHECK(median(times) < 10ms + 500us);
        const auto one_way = exchange({pair.stream(300)}).front().one_way_times();
        CHECK(one_way.front() >= 10ms);
        CHECK(median(one_way) < 10ms + 500us);
    });
}

TEST_CASE("losses, duplicates, damage and disorder are seen") {
    with_qdisc(
        "netem delay 5ms loss 10% duplicate 5% corrupt 5% reorder 5% 0%", [](const Pair& pair) {
            Stream stream = pair.stream(2000);
            stream.interval = 300us;
            stream.payload = 400;
            stream.checksum = false;
            const StreamResult result = exchange({stream}).front();
            const auto copies = result.copies(2000);
            CHECK(std::ranges::count(copies, 0) > 140);
            CHECK(std::ranges::count(copies, 0) < 280);
            CHECK(std::ranges::count(copies, 2) > 50);
            CHECK(std::ranges::count_if(result.arrivals,
                                        [](const Arrival& one) { return one.damaged; }) > 40);
            CHECK(std::ranges::count_if(result.arrivals,
                                        [](const Arrival& one) { return one.one_way < 3ms; }) > 40);
        });
}

TEST_CASE("a rate is seen by TCP and UDP") {
    with_qdisc("tbf rate 20mbit burst 100k latency 50ms", [](const Pair& pair) {
        for (const bool v6 : {false, true}) {
            CHECK(goodput(pair, v6) ==
                  Approx(20e6 * (v6 ? 1428.0 : 1448.0) / 1514.0).epsilon(0.04));
        }
        const UdpBlast blast{pair.a, pair.b, 40_Mbps};
        std::this_thread::sleep_for(300ms);
        const std::uint64_t sent = blast.sent();
        const std::uint64_t received = blast.received();
        const Instant from = monotonic_now();
        std::this_thread::sleep_for(600ms);
        const double time = std::chrono::duration<double>{monotonic_now() - from}.count();
        CHECK(static_cast<double>(blast.sent() - sent) ==
              Approx(time * 40e6 / 8 / 1042).epsilon(0.1));
        CHECK(static_cast<double>(blast.received() - received) ==
              Approx(time * 20e6 / 8 / 1042).epsilon(0.05));
    });
}

TEST_CASE("what TCP sends again is seen") {
    with_qdisc("netem delay 2ms loss 2%", [](const Pair& pair) {
        const TcpTransfer transfer{pair.a, pair.b};
        std::this_thread::sleep_for(1s);
        CHECK(transfer.retransmissions() > 5);
        CHECK(transfer.received() > 100'000);
    });
}
