// The conformance suite, part one: when packets arrive.
#include "tests/dataplane/plane_cases.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

// The part of one-way times that neither latency nor jitter makes: the kernel's and ours.
double overhead(PlaneWorld& world, const std::vector<std::string>& lines, Duration latency) {
    change_to(world, lines);
    const StreamResult result = world.exchange(world.stream("a", "d0", 200));
    return static_cast<double>((median(result.one_way_times()) - latency).count());
}

// How many arrived although one with a higher number was there already.
int overtaken(const StreamResult& result) {
    int highest = -1;
    int count = 0;
    for (const Arrival& one : result.arrivals) {
        count += one.number < highest ? 1 : 0;
        highest = std::max(highest, one.number);
    }
    return count;
}

}  // namespace

TEST_CASE("a round trip takes the path's latency there and back, IPv4 and IPv6") {
    for_each_plane([](const Plane& plane) {
        for (const int milliseconds : {1, 10, 100}) {
            PlaneWorld world{plane.open, {"a -- s1: " + ms(milliseconds), "s1 -- b: 0ms"}};
            for (const bool v6 : {false, true}) {
                const auto times = world.ping("a", "b", 60, 3ms, v6);
                REQUIRE(times.size() == 60);
                CHECK(times.front() >= 2 * milliseconds * 1ms - 150us);
                const Duration error = median(times) - 2 * milliseconds * 1ms;
                INFO(milliseconds << " ms, error " << error.count() << " ns");
                CHECK(error < plane.rtt_error);
            }
        }
    });
}

TEST_CASE("what goes to some hosts is given on so much earlier, by planes of the kernel") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return not_applicable();
        PlaneWorld world{plane.open, {"a -- s1: 20ms", "s1 -- b: 0ms", "s1 -- c: 0ms"}};
        const auto round_trip = [&](const std::string& to) {
            return median(world.ping("a", to, 40, 3ms));
        };
        const auto near = [&](Duration found, Duration wanted) {
            INFO(found.count() << " ns of " << wanted.count());
            CHECK(found >= wanted - 150us);
            CHECK(found < wanted + plane.rtt_error);
        };
        world.plane().give_early({world.flow("a", "b").destination}, 7ms);
        near(round_trip("b"), 33ms);
        near(round_trip("c"), 40ms);
        // It stays so in other tables, and what takes longer than the path leaves at once.
        change_to(world, {"a -- s1: 5ms", "s1 -- b: 0ms", "s1 -- c: 0ms"});
        near(round_trip("b"), 5ms);
        world.plane().give_early({world.flow("a", "b").destination}, 0ms);
        near(round_trip("b"), 10ms);
    });
}

TEST_CASE("a path's latency does not depend on what other paths carry") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms", "s1 -- b: 9ms", "s1 -- c: 4ms 50Mbps"}};
        const TcpTransfer load{world.host("a"), world.host("c")};
        world.await([&] { return load.received() > 1'000'000; });
        const auto times = world.ping("a", "b", 150, 3ms);
        REQUIRE(times.size() == 150);
        const Duration error = median(times) - 20ms;
        INFO("error " << error.count() << " ns");
        CHECK(times.front() >= 20ms - 150us);
        CHECK(error < plane.rtt_error);
    });
}

TEST_CASE("two paths of one host never disturb each other") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 0ms", "s1 -- b: 1ms", "s1 -- c: 100ms 5Mbps"}};
        {  // 1 ms beside 100 ms
            const auto results =
                world.exchange({world.stream("a", "b", 600), world.stream("a", "c", 600)});
            const auto near = results[0].one_way_times();
            const auto far = results[1].one_way_times();
            REQUIRE(near.size() == 600);
            REQUIRE(far.size() == 600);
            CHECK(near.front() >= 1ms - 100us);
            CHECK(median(near) < 1ms + plane.rtt_error);
            CHECK(near[540] < 3ms);
            CHECK(near[594] < 5ms);
            CHECK(far.front() >= 100ms - 100us);
            CHECK(median(far) < 100ms + 2 * plane.rtt_error);
        }
        {  // beside a backlog
            const UdpBlast blast{world.host("a"), world.host("c"), 10_Mbps};
            world.await([&] {
                const auto counters = world.counters(world.flow("a", "c"));
                return counters && counters->queue_drops > 20;
            });
            const auto near = world.exchange(world.stream("a", "b", 600)).one_way_times();
            REQUIRE(near.size() == 600);
            CHECK(median(near) < 1ms + plane.rtt_error);
            CHECK(near[540] < 3ms);
            CHECK(near[594] < 5ms);
        }
    });
}

TEST_CASE("jitter has the distribution that was asked for") {
    for_each_plane([](const Plane& plane) {
        // Many paths at a time; on each the packets are too far apart to push each other.
        constexpr int kPaths = 12;
        constexpr int kPackets = 40;
        constexpr std::size_t kSamples = std::size_t{kPaths} * kPackets;
        std::vector<std::string> lines{"a -- s1: 30ms"};
        for (int i = 0; i < kPaths; ++i) lines.push_back("s1 -- d" + std::to_string(i) + ": 0ms");
        PlaneWorld world{plane.open, lines};
        const double more = overhead(world, lines, 30ms);
        for (const auto distribution : {JitterDistribution::uniform, JitterDistribution::normal,
                                        JitterDistribution::pareto}) {
            change_to(world, lines, [&](LinkProperties& link) {
                if (link.latency == Duration::zero()) return;
                link.jitter = 3ms;
                link.distribution = distribution;
            });
            std::vector<Stream> streams;
            for (int i = 0; i < kPaths; ++i) {
                streams.push_back(world.stream("a", "d" + std::to_string(i), kPackets));
                streams.back().interval = 20ms;
            }
            std::vector<double> jitters;
            for (const StreamResult& result : world.exchange(streams)) {
                for (const Arrival& one : result.arrivals) {
                    const auto late = static_cast<double>((one.one_way - 30ms).count());
                    jitters.push_back((late - more) / 3e6);
                }
            }
            REQUIRE(jitters.size() == kSamples);
            INFO("distribution " << static_cast<int>(distribution));
            CHECK(distance(jitters, cumulative(distribution)) < largest_distance(jitters.size()));
        }
    });
}

TEST_CASE("order is kept, whatever the jitter") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 10ms~4ms", "s1 -- b: 0ms"}};
        const StreamResult result = world.exchange(world.stream("a", "b", 600));
        CHECK(result.arrivals.size() == 600);
        CHECK(overtaken(result) == 0);
        const auto times = result.one_way_times();
        CHECK(times.back() - times.front() > 5ms);  // there was jitter
    });
}

TEST_CASE("packets that are to be reordered overtake the others", "[short]") {
    for_each_plane([](const Plane& plane) {
        const std::vector<std::string> lines{"a -- s1: 20ms", "s1 -- b: 0ms"};
        PlaneWorld world{plane.open, lines};
        change_to(world, lines, [](LinkProperties& link) {
            if (link.latency > Duration::zero()) link.reorder = Probability::of(0.05);
        });
        Stream stream = world.stream("a", "b", 1200);
        stream.interval = 500us;
        const StreamResult result = world.exchange(stream);
        CHECK(result.arrivals.size() == 1200);
        int early = 0;
        for (const Arrival& one : result.arrivals) early += one.one_way < 10ms ? 1 : 0;
        // 60 expected, standard deviation 7.5.
        CHECK(early > 30);
        CHECK(early < 90);
    });
}
