// A plane whose process is killed, and another one that goes on: what is in force on the hosts'
// interfaces stays in force, to the packet.
#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/dataplane/plane_cases.hh"
#include "tests/dataplane/planes.hh"

using namespace std::chrono_literals;

namespace pleat::testing {
namespace {

using namespace pleat::literals;

void for_each_plane_that_leaves(const std::function<void(const Plane&)>& test) {
    for_each_plane([&test](const Plane& plane) {
        if (!plane.open_to_leave) return not_applicable();
        test(plane);
    });
}

void take_over(PlaneWorld& world, const Plane& plane) {
    world.take_over(plane.open_to_take_over, {world.first_table()});
    world.await([&world] { return !world.activated().empty(); });
}

double mbps(std::uint64_t datagrams, Duration time) {
    constexpr double kBits = 8.0 * (1000 + 8 + 20 + 14);
    return static_cast<double>(datagrams) * kBits / std::chrono::duration<double>{time}.count() /
           1e6;
}

// No path leads anywhere.
std::shared_ptr<const PathTable> nowhere(const PathTable& table) {
    std::vector<LinkState> links{table.links().begin(), table.links().end()};
    for (LinkState& link : links) link.up = false;
    std::vector<PathTable::Tree> trees;
    for (const PathTable::Tree& tree : table.trees()) {
        trees.push_back(std::make_shared<Parents>(tree->size(), kNoLink));
    }
    return std::make_shared<PathTable>(table.version(), table.epoch(), std::move(links),
                                       std::move(trees), table.partitions());
}

TEST_CASE("a takeover loses no packet, and counters go on", "[short]") {
    for_each_plane_that_leaves([](const Plane& plane) {
        PlaneWorld world{plane.open_to_leave, {"a -- s1: 5ms 10Mbps", "b -- s1: 5ms 10Mbps"}};
        constexpr int kPackets = 1500;
        std::vector<StreamResult> results;
        int step = 0;
        std::uint64_t packets_before = 0;
        PlaneTotals totals_before;
        world.beside([&] { results = exchange({world.stream("a", "b", kPackets)}); }, 400ms,
                     [&] {
                         ++step;
                         if (step == 1) {
                             packets_before = world.counters(world.flow("a", "b"))->packets;
                             totals_before = world.plane().totals();
                             world.kill_plane();
                         } else if (step == 2) {
                             take_over(world, plane);
                             // It is under way; nobody has to wait for its next silence, and
                             // what it has done is there with the report.
                             world.await([&world] { return !world.started().empty(); });
                             CHECK(world.started().front().flow == world.flow("a", "b"));
                             CHECK(world.started().front().counters->packets > packets_before);
                         }
                     });
        REQUIRE(step >= 2);
        const std::vector<Arrival>& arrivals = results.front().arrivals;
        REQUIRE(arrivals.size() == kPackets);
        for (int i = 0; i < kPackets; ++i) CHECK(arrivals[static_cast<std::size_t>(i)].number == i);
        const std::vector<Duration> times = results.front().one_way_times();
        CHECK(times.front() >= 10ms);
        CHECK(times[times.size() / 2] < 10ms + plane.rtt_error + 150us);
        CHECK(packets_before > 100);
        CHECK(world.counters(world.flow("a", "b"))->packets == kPackets);
        CHECK(world.counters(world.flow("a", "b"))->queue_drops == 0);
        CHECK(world.plane().totals().packets_out >= kPackets);
        CHECK(world.plane().totals().packets_in >= totals_before.packets_in);
        // Told of it once, with the cap that it has.
        const auto told = std::ranges::count_if(world.started(), [&](const FlowStarted& one) {
            return one.flow == world.flow("a", "b") && one.left_cap.has_value();
        });
        CHECK(told == 1);
    });
}

TEST_CASE("shares stay in force while no plane is there, and after a takeover", "[short]") {
    for_each_plane_that_leaves([](const Plane& plane) {
        PlaneWorld world{plane.open_to_leave, {"a -- s1: 5ms 20Mbps", "b -- s1: 5ms 20Mbps"}};
        const FlowKey flow = world.flow("a", "b");
        world.plane().set_caps({{flow, 4_Mbps}});
        const UdpBlast blast{world.host("a"), world.host("b"), 10_Mbps};
        world.pass(500ms);  // its queue is full
        const auto rate = [&](Duration time) {
            const Instant from = monotonic_now();
            const std::uint64_t before = blast.received();
            world.pass(time);
            return mbps(blast.received() - before, monotonic_now() - from);
        };
        const double tolerance = plane.rate_error(4e6) + 0.02;
        CHECK(rate(600ms) == Approx(4).epsilon(tolerance));
        world.kill_plane();
        CHECK(rate(600ms) == Approx(4).epsilon(tolerance));
        const std::uint64_t received = blast.received();
        const Instant from = monotonic_now();
        take_over(world, plane);
        world.pass(600ms);
        CHECK(mbps(blast.received() - received, monotonic_now() - from) ==
              Approx(4).epsilon(tolerance));
        const auto found = std::ranges::find(world.started(), flow, &FlowStarted::flow);
        REQUIRE(found != world.started().end());
        REQUIRE(found->left_cap.has_value());
        CHECK(static_cast<double>(found->left_cap->bits_per_second()) == Approx(4e6).epsilon(1e-5));
        // And it is a plane like any other.
        world.plane().set_caps({{flow, 8_Mbps}});
        world.pass(200ms);
        CHECK(rate(600ms) == Approx(8).epsilon(tolerance));
        world.plane().read_counters(monotonic_now());
        CHECK(found->counters->queue_drops > 0);
    });
}

TEST_CASE("what is given early stays so while no plane is there, and after a takeover", "[short]") {
    for_each_plane_that_leaves([](const Plane& plane) {
        PlaneWorld world{plane.open_to_leave, {"a -- s1: 20ms", "s1 -- b: 0ms"}};
        const auto is_early = [&] {
            const auto times = world.ping("a", "b", 40, 6ms);
            const Duration found = times.at(times.size() / 2);
            INFO(found.count() << " ns");
            CHECK(found >= 33ms - 150us);
            CHECK(found < 33ms + plane.rtt_error);
        };
        world.plane().give_early({world.flow("a", "b").destination}, 7ms);
        is_early();
        world.kill_plane();
        is_early();
        take_over(world, plane);
        is_early();
        // Nor does another table undo it.
        change_to(world, {"a -- s1: 20ms", "s1 -- b: 0ms"});
        is_early();
    });
}

TEST_CASE("a host that was cut stays cut when its plane is taken over", "[short]") {
    for_each_plane_that_leaves([](const Plane& plane) {
        PlaneWorld world{plane.open_to_leave,
                         {"a -- s1: 5ms 10Mbps", "b -- s1: 5ms 10Mbps", "c -- s1: 1ms 10Mbps"}};
        REQUIRE(world.ping("a", "b", 3, 10ms).size() == 3);
        world.plane().cut(world.flow("a", "b").source);
        world.kill_plane();
        CHECK(world.ping("b", "a", 3, 10ms).empty());
        take_over(world, plane);
        CHECK(world.ping("a", "b", 3, 10ms).empty());
        CHECK(world.ping("b", "a", 3, 10ms).empty());
        CHECK(world.ping("b", "c", 3, 10ms).size() == 3);
        world.plane().connect(world.flow("a", "b").source);
        CHECK(world.ping("a", "b", 3, 10ms).size() == 3);
    });
}

TEST_CASE("an epoch that begins while no plane is there is told by the one that takes over",
          "[short]") {
    for_each_plane_that_leaves([](const Plane& plane) {
        const std::vector<std::string> lines{"a -- s1: 5ms 10Mbps", "b -- s1: 5ms 10Mbps"};
        PlaneWorld world{plane.open_to_leave, lines};
        const auto slower = world.table(lines, 2, [](LinkProperties& l) { l.latency = 15ms; });
        const Instant when = monotonic_now() + 300ms;
        world.plane().activate_at(slower, when);
        world.pass(150ms);  // it is prepared
        world.kill_plane();
        CHECK(world.ping("a", "b", 3, 10ms).front() < 21ms);
        world.pass(when + 50ms - monotonic_now());
        const Duration alone = world.ping("a", "b", 5, 10ms).front();
        CHECK((alone >= 60ms) == plane.switches_alone);
        const auto fastest = world.table(lines, 3, [](LinkProperties& l) { l.latency = 1ms; });
        const Instant taken = monotonic_now();
        world.take_over(plane.open_to_take_over, {{slower, when}, {fastest, taken + 600ms}});
        CHECK(world.ping("a", "b", 5, 10ms).front() < 64ms);
        world.await([&world] {
            return !world.activated().empty() && world.activated().back().version == 3;
        });
        const auto told =
            std::ranges::find(world.activated(), std::uint32_t{2}, &TableActivated::version);
        REQUIRE(told != world.activated().end());
        CHECK(told->planned == when);
        CHECK((told->actual == when) == plane.switches_alone);
        CHECK((told->actual >= taken) != plane.switches_alone);
        CHECK(world.ping("a", "b", 5, 10ms).front() < 6ms);
    });
}

TEST_CASE("a path that is gone stays gone over a takeover, and comes back as another table says",
          "[short]") {
    for_each_plane_that_leaves([](const Plane& plane) {
        const std::vector<std::string> lines{"a -- s1: 5ms 10Mbps", "b -- s1: 5ms 10Mbps"};
        PlaneWorld world{plane.open_to_leave, lines};
        REQUIRE(world.ping("a", "b", 3, 10ms).size() == 3);
        const PlaneWorld::Activation closed{nowhere(*world.table(lines, 2)), monotonic_now()};
        world.plane().activate_at(closed.table, closed.when);
        world.await([&world] { return world.activated().size() == 2; });
        CHECK(world.ping("a", "b", 3, 10ms).empty());
        world.kill_plane();
        CHECK(world.ping("a", "b", 3, 10ms).empty());
        world.take_over(plane.open_to_take_over, {closed});
        world.await([&world] { return !world.activated().empty(); });
        CHECK(world.ping("a", "b", 3, 10ms).empty());
        world.plane().activate_at(world.table(lines, 3), monotonic_now());
        world.await([&world] { return world.activated().back().version == 3; });
        CHECK(world.ping("a", "b", 3, 10ms).size() == 3);
    });
}

TEST_CASE("a plane that has taken over leaves nothing behind when it ends", "[short]") {
    for_each_plane_that_leaves([](const Plane& plane) {
        PlaneWorld world{plane.open_to_leave, {"a -- s1: 5ms 10Mbps", "b -- s1: 5ms 10Mbps"}};
        world.ping("a", "b", 3, 10ms);
        const auto qdiscs = [&world] {
            return world.host("a").run({"tc", "qdisc", "show", "dev", TestHost::kInterface});
        };
        world.kill_plane();
        const std::string left = qdiscs();
        CHECK(left.find("clsact") != std::string::npos);
        take_over(world, plane);
        CHECK(qdiscs() == left);
        world.close_plane();
        CHECK(qdiscs().find("clsact") == std::string::npos);
        CHECK(world.ping("a", "b", 3, 10ms).front() < 2ms);
    });
}

}  // namespace
}  // namespace pleat::testing
