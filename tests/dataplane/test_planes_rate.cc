// The conformance suite, part two: how much passes.
#include "tests/dataplane/plane_cases.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

// When each packet left the host's link: it arrived by its path's latency later.
std::vector<Instant> departures_of(const std::vector<StreamResult>& results,
                                   const std::vector<Duration>& latencies) {
    std::vector<Instant> departures;
    for (std::size_t i = 0; i < results.size(); ++i) {
        for (const Arrival& one : results[i].arrivals) {
            departures.push_back(one.sent + one.one_way - latencies[i]);
        }
    }
    std::ranges::sort(departures);
    return departures;
}

// In how little time so many packets have left.
Duration shortest(const std::vector<Instant>& departures, std::size_t packets) {
    REQUIRE(departures.size() > packets);
    Duration result = 1h;
    for (std::size_t i = 0; i + packets < departures.size(); ++i) {
        result = std::min(result, departures[i + packets] - departures[i]);
    }
    return result;
}

// How late arrivals may be: 1 ms, or more where the plane itself says that its thread was held up.
Duration most_late(PlaneWorld& world) {
    return std::max<Duration>(1ms, world.plane().take_worst_lateness().value_or(0ms));
}

// In any 100 ms there are at most as many packets, each of which takes `each`, as these and `more`
// have time for, and one that straddles the beginning; and in some 100 ms the link was filled to
// four fifths, or nothing is proved. (A busy machine holds the sender up, and HTB loses what a
// late timer leaves unspent.)
void check_windows(const std::vector<Instant>& departures, Duration each, Duration more) {
    const auto most = static_cast<std::size_t>((100ms + more) / each) + 1;
    const Duration above = shortest(departures, most);
    INFO(most + 1 << " packets within " << above.count() << " ns");
    CHECK(above >= 100ms);
    CHECK(shortest(departures, static_cast<std::size_t>(80ms / each)) < 100ms);
}

}  // namespace

TEST_CASE("a TCP flow gets the path's bandwidth") {
    for_each_plane([](const Plane& plane) {
        for (const int megabits : {10, 128, 1000}) {
            const std::string rate = mbps(megabits);
            PlaneWorld world{plane.open, {"a -- s1: 5ms " + rate, "s1 -- b: 5ms " + rate}};
            const TcpTransfer transfer{world.host("a"), world.host("b")};
            check_rate(plane, world, world.flow("a", "b"), megabits * 1e6);
        }
    });
}

TEST_CASE("what a receiver gets is what the path lets through, IPv4 and IPv6") {
    for_each_plane([](const Plane& plane) {
        // Two paths that share nothing, measured at the same time.
        PlaneWorld world{plane.open,
                         {"a -- s1: 5ms 50Mbps", "s1 -- b: 5ms 100Mbps", "c -- s2: 5ms 50Mbps",
                          "s2 -- d: 5ms 100Mbps"}};
        const TcpTransfer v4{world.host("a"), world.host("b")};
        const TcpTransfer v6{world.host("c"), world.host("d"), true};
        world.pass(1s);
        const std::uint64_t before_v4 = v4.received();
        const std::uint64_t before_v6 = v6.received();
        const Instant from = monotonic_now();
        world.pass(1500ms);
        const auto passed_v4 = static_cast<double>(v4.received() - before_v4);
        const auto passed_v6 = static_cast<double>(v6.received() - before_v6);
        const std::chrono::duration<double> time = monotonic_now() - from;
        const double error = std::max(0.02, plane.rate_error(50e6));
        CHECK(8.0 * passed_v4 / time.count() == Approx(50e6 * 1448 / 1514).epsilon(error));
        CHECK(8.0 * passed_v6 / time.count() == Approx(50e6 * 1428 / 1514).epsilon(error));
    });
}

TEST_CASE("the rate does not depend on how the sender's kernel joins segments") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 5ms 20Mbps", "s1 -- b: 0ms"}};
        world.host("a").links().limit_segmentation(TestHost::kInterface, 1);
        const TcpTransfer transfer{world.host("a"), world.host("b")};
        check_rate(plane, world, world.flow("a", "b"), 20e6);
    });
}

TEST_CASE("UDP above the path's bandwidth is cut to it, and the rest is dropped") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms 5Mbps", "s1 -- b: 1ms 5Mbps"}};
        const UdpBlast blast{world.host("a"), world.host("b"), 10_Mbps};
        check_rate(plane, world, world.flow("a", "b"), 5e6);
        CHECK(world.counters(world.flow("a", "b"))->queue_drops > 100);
    });
}

TEST_CASE("a cap is kept to, and lifted") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms 100Mbps", "s1 -- b: 1ms 100Mbps"}};
        world.plane().set_caps({{world.flow("a", "b"), 20_Mbps}});
        const TcpTransfer transfer{world.host("a"), world.host("b")};
        check_rate(plane, world, world.flow("a", "b"), 20e6);
        world.plane().set_caps({{world.flow("a", "b"), Bandwidth::unlimited()}});
        check_rate(plane, world, world.flow("a", "b"), 100e6);
    });
}

TEST_CASE("a queue holds what it is said to hold, and what does not fit is counted", "[short]") {
    for_each_plane([](const Plane& plane) {
        // Datagrams of 1000 bytes on the link, 32 ms each: one leaves, 20 wait. All are sent
        // before.
        PlaneWorld world{plane.open, {"a -- s1: 0ms 250kbps queue=20000B", "s1 -- b: 0ms"}};
        Stream burst = world.stream("a", "b", 50);
        burst.payload = 958;
        burst.interval = Duration::zero();
        const StreamResult result = world.exchange(burst);
        const auto counters = world.counters(world.flow("a", "b"));
        REQUIRE(counters);
        CHECK(counters->queue_drops == 50 - result.arrivals.size());
        CHECK(counters->packets == result.arrivals.size());
        if (plane.queues_bytes) CHECK(result.arrivals.size() == 21);
        for (std::size_t i = 0; i < result.arrivals.size(); ++i) {
            CHECK(result.arrivals[i].number == static_cast<int>(i));
        }
    });
}

TEST_CASE("counters say what was sent, to the byte", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms 100Mbps", "s1 -- b: 1ms"}};
        // 500 bytes with UDP's, IP's and Ethernet's headers; 40 in packets of five.
        Stream v4 = world.stream("a", "b", 300);
        v4.payload = 458;
        Stream v6 = world.stream("a", "b", 200);
        v6.payload = 438;
        v6.v6 = true;
        Stream joined = world.stream("a", "b", 8);
        joined.payload = 458;
        joined.segments = 5;
        for (const StreamResult& result : world.exchange({v4, v6, joined})) {
            CHECK(result.send_errors == 0);
        }
        const auto counters = world.counters(world.flow("a", "b"));
        REQUIRE(counters);
        CHECK(counters->packets == 540);
        CHECK(counters->bytes == 270'000);
        CHECK(counters->queue_drops == 0);
        CHECK(counters->loss_drops == 0);
        CHECK(counters->unreachable_drops == 0);
        CHECK(world.counters(world.flow("b", "a")) == nullptr);
    });
}

TEST_CASE("a host's link is never exceeded, whatever its paths together ask for") {
    for_each_plane([](const Plane& plane) {
        const std::string access = "a -- s1: 1ms 20Mbps queue=30ms";
        PlaneWorld world{plane.open, {access, "s1 -- b: 1ms", "s1 -- c: 3ms"}};
        std::vector<Stream> streams{world.stream("a", "b", 1500), world.stream("a", "c", 1500)};
        for (Stream& one : streams) {
            one.payload = 958;     // 1000 bytes on the link
            one.interval = 500us;  // 16 Mbps
        }
        const auto results = world.exchange(streams);
        const std::vector<Instant> departures = departures_of(results, {2ms, 4ms});
        Instant first_sent = results[0].arrivals.at(0).sent;
        for (const StreamResult& result : results) {
            for (const Arrival& one : result.arrivals) first_sent = std::min(first_sent, one.sent);
        }
        REQUIRE(departures.size() > 1500);
        // Each takes 400 us. That arrivals are late hides nothing here: none may be early, but
        // for one packet that straddles the beginning.
        int early = 0;
        Duration earliest{};
        for (std::size_t i = 0; i < departures.size(); ++i) {
            const Instant bound = first_sent + static_cast<int>(i) * 400us - plane.burst;
            early += departures[i] < bound ? 1 : 0;
            earliest = std::max(earliest, bound - departures[i]);
        }
        INFO("the earliest by " << earliest.count() << " ns");
        CHECK(early == 0);
        // In any 10 ms 25 packets, one that straddles the beginning, the plane's burst, and for
        // the lateness of arrivals what passes in 1 ms; all but one window in a hundred.
        const auto most = static_cast<std::size_t>((11ms + plane.burst) / 400us) + 1;
        std::size_t above = 0;
        for (std::size_t i = 0; i + most < departures.size(); ++i) {
            above += departures[i + most] - departures[i] < 10ms ? 1 : 0;
        }
        CHECK(above * 100 <= departures.size());
        check_windows(departures, 400us, plane.burst + most_late(world));
        // Over all of it, lateness does not matter.
        const std::chrono::duration<double> time = departures.back() - departures.front();
        const double rate = 8000.0 * static_cast<double>(departures.size() - 1) / time.count();
        CHECK(rate < (1.0 + plane.rate_error(20e6)) * 20e6);
        CHECK(rate > 0.9 * 20e6);
        // Neither path is left out.
        CHECK(results[0].arrivals.size() > 500);
        CHECK(results[1].arrivals.size() > 500);
    });
}

TEST_CASE("a host's fast link is not exceeded in any 100 ms, with packets of many segments") {
    for_each_plane([](const Plane& plane) {
        const std::string access = "a -- s1: 1ms 200Mbps queue=30ms";
        PlaneWorld world{plane.open, {access, "s1 -- b: 1ms", "s1 -- c: 3ms"}};
        // Ten of 1500 bytes on the link are 600 us of it; 160 Mbps each.
        constexpr int kJoined = 10;
        std::vector<Stream> streams{world.stream("a", "b", 600), world.stream("a", "c", 600)};
        for (Stream& one : streams) {
            one.payload = 1458;
            one.segments = kJoined;
            one.interval = 750us;
        }
        const auto results = world.exchange(streams);
        const std::vector<Instant> departures = departures_of(results, {2ms, 4ms});
        // A joined packet leaves at once.
        check_windows(departures, 60us, plane.fast_burst + kJoined * 60us + most_late(world));
        const std::chrono::duration<double> time = departures.back() - departures.front();
        const double rate = 12'000.0 * static_cast<double>(departures.size() - 1) / time.count();
        INFO(rate << " bit/s");
        CHECK(rate < (1.0 + plane.rate_error(200e6)) * 200e6);
    });
}
