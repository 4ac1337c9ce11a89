// The conformance suite, part four: changes while traffic passes.
#include "tests/dataplane/plane_cases.hh"

using namespace pleat;
using namespace pleat::testing;

TEST_CASE("tables take effect at their instants") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms", "s1 -- b: 0ms"}};
        constexpr std::uint32_t kTables = 60;
        std::vector<std::shared_ptr<const PathTable>> tables;  // made before the first is due
        for (std::uint32_t i = 0; i < kTables; ++i) {
            const std::string latency = std::to_string(2 + i) + "ms";
            tables.push_back(world.table({"a -- s1: " + latency, "s1 -- b: 0ms"}, i + 2));
        }
        const Instant start = monotonic_now() + 50ms;
        for (std::uint32_t i = 0; i < kTables; ++i) {
            world.plane().activate_at(tables[i], start + i * 20ms);
        }
        world.await([&] { return world.activated().size() == kTables + 1; });
        std::vector<Duration> lateness;
        for (std::uint32_t i = 1; i <= kTables; ++i) {
            CHECK(world.activated()[i].version == i + 1);
            CHECK(world.activated()[i].planned == start + (i - 1) * 20ms);
            CHECK(world.activated()[i].actual >= world.activated()[i].planned);
            lateness.push_back(world.activated()[i].actual - world.activated()[i].planned);
        }
        std::ranges::sort(lateness);
        INFO("p50 " << median(lateness).count() << " ns, max " << lateness.back().count() << " ns");
        CHECK(median(lateness) < plane.switch_lateness);
        if (plane.switches_exactly) CHECK(lateness.back() < plane.switch_lateness);
        const auto times = world.ping("a", "b", 3, 10ms);
        REQUIRE(times.size() == 3);
        CHECK(times.front() >= 2 * 61ms - 150us);
    });
}

TEST_CASE("a table for the past takes effect at once, and replaces its namesake", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms", "s1 -- b: 0ms"}};
        world.plane().activate_at(world.table({"a -- s1: 5ms", "s1 -- b: 0ms"}, 2),
                                  monotonic_now() + 1h);
        world.plane().activate_at(world.table({"a -- s1: 9ms", "s1 -- b: 0ms"}, 2),
                                  monotonic_now() - 1s);
        world.await([&] { return world.activated().size() == 2; });
        CHECK(world.ping("a", "b", 1, 10ms).at(0) >= 17ms);
    });
}

TEST_CASE("ten changes a second under load, and no packet is lost by one") {
    for_each_plane([](const Plane& plane) {
        const std::vector<std::string> slow{"a -- s1: 5ms 20Mbps", "s1 -- b: 0ms"};
        const std::vector<std::string> fast{"a -- s1: 7ms 50Mbps", "s1 -- b: 0ms"};
        PlaneWorld world{plane.open, slow};
        Stream stream = world.stream("a", "b", 4000);
        stream.interval = 500us;
        stream.payload = 458;  // 8 Mbps
        StreamResult result;
        std::uint32_t changes = 0;
        world.beside([&] { result = exchange({stream}).front(); }, 100ms,
                     [&] {
                         ++changes;
                         const bool even = changes % 2 == 0;
                         world.plane().activate_at(world.table(even ? slow : fast, changes + 1),
                                                   monotonic_now());
                         world.plane().set_caps(
                             {{world.flow("a", "b"), even ? 40_Mbps : Bandwidth::unlimited()}});
                     });
        CHECK(changes >= 15);
        CHECK(result.send_errors == 0);
        REQUIRE(result.arrivals.size() == 4000);
        int disorder = 0;
        for (std::size_t i = 0; i < result.arrivals.size(); ++i) {
            disorder += result.arrivals[i].number == static_cast<int>(i) ? 0 : 1;
        }
        if (plane.keeps_order_when_sooner) CHECK(disorder == 0);
        const auto counters = world.counters(world.flow("a", "b"));
        CHECK(counters->packets == 4000);
        CHECK(counters->queue_drops == 0);
        CHECK(counters->loss_drops == 0);
    });
}

TEST_CASE("changes of rate, jitter and queue drop nothing of a backlog that has room") {
    for_each_plane([](const Plane& plane) {
        const auto lines = [](int i) {
            static const std::vector<std::string> links{
                "5ms 8Mbps queue=800000B", "6ms~500us 12Mbps queue=600000B",
                "5ms 12Mbps queue=900000B", "5ms~1ms 8Mbps queue=500000B"};
            return std::vector<std::string>{
                "a -- s1: " + links[static_cast<std::size_t>(i) % links.size()], "s1 -- b: 0ms"};
        };
        PlaneWorld world{plane.open, lines(0)};
        // 400 kB within 40 ms: 270 to 400 ms of the link. At once they would not all find room in
        // the TUN device's own queue while the packet thread is held up.
        constexpr int kPackets = 400;
        Stream burst = world.stream("a", "b", kPackets);
        burst.payload = 958;
        burst.interval = 100us;
        StreamResult result;
        int changes = 0;
        world.beside([&] { result = exchange({burst}).front(); }, 40ms,
                     [&] {
                         ++changes;
                         world.plane().activate_at(
                             world.table(lines(changes), static_cast<std::uint32_t>(changes) + 1),
                             monotonic_now());
                     });
        CHECK(changes >= 5);
        REQUIRE(result.arrivals.size() == kPackets);
        int disorder = 0;
        for (int i = 0; i < kPackets; ++i) {
            disorder += result.arrivals[static_cast<std::size_t>(i)].number == i ? 0 : 1;
        }
        if (plane.keeps_order_when_sooner) CHECK(disorder == 0);
        const auto counters = world.counters(world.flow("a", "b"));
        CHECK(counters->packets == kPackets);
        CHECK(counters->bytes == 1000ULL * kPackets);
        CHECK(counters->queue_drops == 0);
        // It was a backlog all the time: no quicker than the fastest of the rates.
        const Arrival& last = result.arrivals.back();
        CHECK(last.sent + last.one_way - result.arrivals.front().sent > 250ms);
    });
}

TEST_CASE("a rate changes in place, down and up again") {
    for_each_plane([](const Plane& plane) {
        const auto lines = [](int megabits) {
            return std::vector<std::string>{"a -- s1: 5ms " + mbps(megabits), "s1 -- b: 0ms"};
        };
        PlaneWorld world{plane.open, lines(40)};
        const TcpTransfer transfer{world.host("a"), world.host("b")};
        for (const int megabits : {40, 5, 40}) {
            change_to(world, lines(megabits));
            check_rate(plane, world, world.flow("a", "b"), megabits * 1e6);
        }
    });
}

TEST_CASE("ten thousand paths switch at one instant") {
    for_each_plane([](const Plane& plane) {
        // Ten hosts of this machine, a thousand destinations; fewer where each path is a
        // change of its own.
        const int hosts = plane.switches_at_once ? 1000 : 100;
        std::vector<std::string> lines;
        lines.reserve(static_cast<std::size_t>(hosts));
        for (int i = 0; i < hosts; ++i) lines.push_back("h" + std::to_string(i) + " -- s1: 1ms");
        PlaneWorldOptions options;
        options.local = [](const std::string& name) { return name.size() == 2; };
        PlaneWorld world{plane.open, lines, options};
        std::vector<Stream> streams;
        streams.reserve(10);
        for (int i = 0; i < 10; ++i) {
            streams.push_back(
                world.stream("h" + std::to_string(i), "h" + std::to_string((i + 1) % 10), 400));
            streams.back().interval = 2ms;
        }
        // So much longer that nothing that holds packets up can be mistaken for it.
        const auto next = world.table(lines, 2, [](LinkProperties& link) { link.latency = 100ms; });
        const Instant change = monotonic_now() + 500ms;
        world.plane().activate_at(next, change);
        std::vector<StreamResult> results;
        world.beside([&] { results = exchange(streams); });
        world.await([&] { return world.activated().size() == 2; });
        // Without an instant for all, the last has changed when it is reported.
        const Instant changed = plane.switches_at_once ? change + plane.switch_lateness
                                                       : world.activated().back().actual;
        int before = 0;
        int after = 0;
        for (const StreamResult& result : results) {
            CHECK(result.arrivals.size() == 400);
            int early = 0;  // that have the new latency and entered before
            int late = 0;   // that have the old one and were sent after
            for (const Arrival& one : result.arrivals) {
                // Whatever held it up on its way into the plane, it entered 200 ms before it came.
                const Instant came = one.sent + one.one_way;
                early += one.one_way >= 190ms && came < change + 200ms - 100us ? 1 : 0;
                before += one.sent < change ? 1 : 0;
                if (one.sent >= changed) {
                    ++after;
                    late += one.one_way < 200ms - 100us ? 1 : 0;
                }
            }
            CHECK(early == 0);
            CHECK(late == 0);
        }
        CHECK(before > 250);
        CHECK(after > 250);
    });
}
