// The conformance suite: what every data plane must do, with real hosts and programs.
// Cases know only the DataPlane interface; a plane joins by a line in all_planes.
#include <ctime>
#include <iostream>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "node/dataplane/tun_plane.hh"
#include "tests/dataplane/plane_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

const std::vector<std::pair<std::string, OpenPlane>> all_planes{{"tun", open_tun_plane}};

// Runs the case for every plane that this machine can have; says aloud when there is none.
void for_each_plane(const std::function<void(const OpenPlane&)>& test) {
    const std::string missing = missing_for_tun_hosts();
    if (!missing.empty()) {
        std::cerr << "SKIPPED: no hosts here: " << missing << '\n';
        return;
    }
    for (const auto& [name, open] : all_planes) {
        INFO("plane " << name);
        test(open);
    }
}

Duration median(const std::vector<Duration>& sorted) {
    return sorted.at(sorted.size() / 2);
}

// How long packets of the flow have waited behind others.
Duration waited(const FlowCounters& counters) {
    const std::int64_t since = counters.waiting_since_ns.load();
    const std::int64_t now = monotonic_now().time_since_epoch().count();
    return Duration{counters.waited_ns.load() + (since == 0 ? 0 : now - since)};
}

// What departs while packets wait is what the plane allows. A sender that a busy machine
// holds up leaves the queue empty now and then; such half seconds say nothing but that the
// rate was not exceeded.
void check_rate(PlaneWorld& world, FlowKey flow, double expected) {
    world.await([&] { return world.counters(flow) != nullptr; });
    const auto counters = world.counters(flow);
    world.pass(1s);  // slow start
    bool filled = false;
    for (int i = 0; i < 12 && !filled; ++i) {
        const std::uint64_t bytes = counters->bytes.load();
        const Duration waiting = waited(*counters);
        const Instant from = monotonic_now();
        world.pass(500ms);
        const auto passed = static_cast<double>(counters->bytes.load() - bytes);
        const std::chrono::duration<double> time = monotonic_now() - from;
        filled = waited(*counters) - waiting > 0.997 * time;
        const double rate = 8.0 * passed / time.count();
        CHECK(rate < 1.01 * expected);
        if (filled) CHECK(rate == Approx(expected).epsilon(0.01));
    }
    // Nothing was proved otherwise: the sender never kept the queue filled.
    REQUIRE(filled);
}

Program iperf_server(const TunHost& host) {
    Program server = host.start({"iperf3", "-s", "--forceflush"});
    server.await("Server listening");
    return server;
}

nlohmann::json iperf(const TunHost& client, const std::string& address, int seconds,
                     std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"iperf3", "-J", "-c",
                                       address,  "-t", std::to_string(seconds)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    nlohmann::json result = nlohmann::json::parse(client.run(arguments));
    if (result.contains("error")) throw Failure{"iperf3: " + result["error"].get<std::string>()};
    return result;
}

}  // namespace

TEST_CASE("a round trip takes the path's latency there and back, IPv4 and IPv6") {
    for_each_plane([](const OpenPlane& open) {
        for (const int milliseconds : {1, 10, 100}) {
            const std::string link = std::to_string(milliseconds) + "ms";
            PlaneWorld world{open, {"a -- s1: " + link, "s1 -- b: 0ms"}};
            for (const bool v6 : {false, true}) {
                const auto times = world.ping("a", "b", 60, 10ms, v6);
                REQUIRE(times.size() == 60);
                CHECK(times.front() >= 2 * milliseconds * 1ms - 150us);
                const Duration error = median(times) - 2 * milliseconds * 1ms;
                INFO(milliseconds << " ms, error " << error.count() << " ns");
                CHECK(error < 250us);
            }
        }
    });
}

TEST_CASE("a TCP flow gets the path's bandwidth to one per cent") {
    for_each_plane([](const OpenPlane& open) {
        for (const int megabits : {10, 128, 1000}) {
            const std::string rate = std::to_string(megabits) + "Mbps";
            PlaneWorld world{open, {"a -- s1: 5ms " + rate, "s1 -- b: 5ms " + rate}};
            Program server = iperf_server(world.host("b"));
            Program client = world.host("a").start(
                {"iperf3", "-c", world.host("b").address(), "-t", "20", "-C", "cubic"});
            check_rate(world, world.flow("a", "b"), megabits * 1e6);
        }
    });
}

TEST_CASE("what a receiver gets is what the path lets through") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -- s1: 5ms 50Mbps", "s1 -- b: 5ms 100Mbps"}};
        Program server = iperf_server(world.host("b"));
        for (const bool v6 : {false, true}) {
            const TunHost& b = world.host("b");
            const auto result = iperf(world.host("a"), v6 ? b.address6() : b.address(), 3,
                                      {"-C", "cubic", "-O", "1"});
            const double goodput = result["end"]["sum_received"]["bits_per_second"];
            const double share = (v6 ? 1428.0 : 1448.0) / 1514.0;
            CHECK(goodput == Approx(50e6 * share).epsilon(0.02));
        }
    });
}

TEST_CASE("UDP above the path's bandwidth is cut to it, and the rest is dropped") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -- s1: 1ms 5Mbps", "s1 -- b: 1ms 5Mbps"}};
        Program server = iperf_server(world.host("b"));
        Program client =
            world.host("a").start({"iperf3", "-u", "-b", "10M", "-c", world.host("b").address(),
                                   "-t", "20", "-l", "1000"});
        check_rate(world, world.flow("a", "b"), 5e6);
        CHECK(world.counters(world.flow("a", "b"))->queue_drops > 100);
    });
}

TEST_CASE("a cap is kept to, and lifted") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -- s1: 1ms 100Mbps", "s1 -- b: 1ms 100Mbps"}};
        world.plane().set_caps({{world.flow("a", "b"), 20_Mbps}});
        Program server = iperf_server(world.host("b"));
        Program client =
            world.host("a").start({"iperf3", "-c", world.host("b").address(), "-t", "30"});
        check_rate(world, world.flow("a", "b"), 20e6);
        world.plane().set_caps({{world.flow("a", "b"), Bandwidth::unlimited()}});
        check_rate(world, world.flow("a", "b"), 100e6);
    });
}

TEST_CASE("as many packets are lost as asked, and the sender is not told") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -> s1: 1ms loss=20%", "s1 -- b: 1ms", "s1 -> a: 1ms"}};
        const auto times = world.ping("a", "b", 500, 2ms);
        // 400 expected, standard deviation 9.
        CHECK(times.size() > 360);
        CHECK(times.size() < 440);
        CHECK(world.counters(world.flow("a", "b"))->loss_drops == 500 - times.size());
    });
}

TEST_CASE("TCP survives loss, duplicates, reordering and corruption") {
    for_each_plane([](const OpenPlane& open) {
        const std::vector<std::string> lines{"a -- s1: 2ms 100Mbps loss=0.1%", "s1 -- b: 0ms"};
        PlaneWorld world{open, lines};
        const auto troubled = [](LinkProperties& properties) {
            properties.duplicate = Probability::of(0.01);
            properties.reorder = Probability::of(0.005);
            properties.corrupt = Probability::of(0.001);
        };
        world.plane().activate_at(world.table(lines, 2, troubled), monotonic_now());
        world.await([&] { return world.activated().size() == 2; });
        Program server = iperf_server(world.host("b"));
        const auto result = iperf(world.host("a"), world.host("b").address(), 3);
        CHECK(result["end"]["sum_received"]["bits_per_second"].get<double>() > 1e6);
        CHECK(world.plane().totals().malformed_drops == 0);
    });
}

TEST_CASE("large datagrams arrive whole, fragmented by the sender's kernel") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -- s1: 1ms 100Mbps", "s1 -- b: 1ms"}};
        for (const auto& address : {world.host("b").address(), world.host("b").address6()}) {
            const std::string text = world.host("a").run(
                {"ping", "-n", "-c", "5", "-i", "0.05", "-s", "20000", address});
            CHECK_THAT(text, Catch::Contains("5 received"));
        }
    });
}

TEST_CASE("nothing passes where no path leads, and what is unknown is counted") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -- s1: 1ms", "s2 -- b: 1ms"}};
        CHECK(world.ping("a", "b", 3, 10ms).empty());
        CHECK(world.plane().totals().unreachable_drops == 3);
        world.host("a").run({"ping", "-n", "-c", "2", "-i", "0.01", "-W", "1", "10.0.9.9"});
        CHECK(world.plane().totals().unknown_destination_drops == 2);
        CHECK(world.plane().totals().packets_out == 0);
    });
}

TEST_CASE("a cut host is silent until it is connected again") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -- s1: 1ms", "s1 -- b: 1ms"}};
        CHECK(world.ping("a", "b", 2, 10ms).size() == 2);
        world.plane().cut(world.flow("a", "b").destination);
        CHECK(world.ping("a", "b", 2, 10ms).empty());
        world.plane().connect(world.flow("a", "b").destination);
        CHECK(world.ping("a", "b", 2, 10ms).size() == 2);
    });
}

TEST_CASE("a host that was removed is gone, the others go on") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -- s1: 1ms", "s1 -- b: 1ms", "s1 -- c: 1ms"}};
        world.plane().remove_host(world.flow("a", "b").destination);
        CHECK(world.ping("a", "b", 2, 10ms).empty());
        CHECK(world.ping("a", "c", 2, 10ms).size() == 2);
    });
}

TEST_CASE("a host whose namespace has gone disturbs nobody") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -- s1: 1ms", "s1 -- b: 1ms", "s1 -- c: 1ms"}};
        world.destroy_host("b");
        const std::clock_t before = std::clock();
        CHECK(world.ping("a", "c", 20, 20ms).size() == 20);
        // Of at least 400 ms; a thread that is woken for ever would take them all.
        CHECK(std::clock() - before < CLOCKS_PER_SEC / 10);
    });
}

TEST_CASE("silent hosts cost nothing") {
    for_each_plane([](const OpenPlane& open) {
        std::vector<std::string> lines;
        lines.reserve(20);
        for (int i = 0; i < 20; ++i) lines.push_back("h" + std::to_string(i) + " -- s1: 1ms");
        PlaneWorld world{open, lines};
        world.pass(500ms);
        const std::clock_t before = std::clock();
        std::this_thread::sleep_for(1s);
        CHECK(std::clock() - before < CLOCKS_PER_SEC / 500);
    });
}

TEST_CASE("a flow is reported with its first packet") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -- s1: 1ms", "s1 -- b: 1ms"}};
        world.ping("a", "b", 1, 10ms);
        world.pass(150ms);
        world.ping("a", "b", 1, 10ms);
        world.await([&] { return world.started().size() == 4; });
        CHECK(world.started()[0].flow == world.flow("a", "b"));
        CHECK(world.started()[1].flow == world.flow("b", "a"));
        CHECK(world.started()[2].counters == world.started()[0].counters);
        CHECK(world.started()[0].counters->packets == 2);
    });
}

TEST_CASE("tables take effect at their instants") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -- s1: 1ms", "s1 -- b: 0ms"}};
        constexpr std::uint32_t kTables = 60;
        const Instant start = monotonic_now() + 20ms;
        for (std::uint32_t i = 0; i < kTables; ++i) {
            const std::string latency = std::to_string(2 + i) + "ms";
            world.plane().activate_at(world.table({"a -- s1: " + latency, "s1 -- b: 0ms"}, i + 2),
                                      start + i * 20ms);
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
        CHECK(median(lateness) < 100us);
        const auto times = world.ping("a", "b", 3, 10ms);
        REQUIRE(times.size() == 3);
        CHECK(times.front() >= 2 * 61ms - 150us);
    });
}

TEST_CASE("a table for the past takes effect at once, and replaces its namesake") {
    for_each_plane([](const OpenPlane& open) {
        PlaneWorld world{open, {"a -- s1: 1ms", "s1 -- b: 0ms"}};
        world.plane().activate_at(world.table({"a -- s1: 5ms", "s1 -- b: 0ms"}, 2),
                                  monotonic_now() + 1h);
        world.plane().activate_at(world.table({"a -- s1: 9ms", "s1 -- b: 0ms"}, 2),
                                  monotonic_now() - 1s);
        world.await([&] { return world.activated().size() == 2; });
        CHECK(world.ping("a", "b", 1, 10ms).at(0) >= 17ms);
    });
}
