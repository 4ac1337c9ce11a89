// How exact the planes are, in long windows: minutes. One line a value, and each is judged by
// what the plane declares (planes.hh). TCP is cubic where that is allowed.
#include <cstdio>

#include "tests/dataplane/plane_cases.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

double percent(double measured, double expected) {
    return 100.0 * (measured / expected - 1.0);
}

// A window begins and ends with an arrival, so that it holds whole packets.
struct Mark {
    std::uint32_t segments;
    std::uint64_t bytes;  // that the application has
    Instant at;
};

Mark next_arrival(PlaneWorld& world, const TcpTransfer& transfer) {
    const std::uint32_t before = transfer.arrived_segments();
    const Instant deadline = monotonic_now() + 10s;
    while (transfer.arrived_segments() == before) {
        if (monotonic_now() > deadline) throw Failure{"nothing arrives"};
        world.pass(100us);
    }
    return {transfer.arrived_segments(), transfer.received(), monotonic_now()};
}

// Layer-2 bits per second.
struct Rates {
    double arrived;   // full-size segments, in whatever order
    double received;  // that TCP's goodput stands for
};

Rates rates_of(PlaneWorld& world, const TcpTransfer& transfer, Duration window) {
    const Mark begin = next_arrival(world, transfer);
    world.pass(window);
    const Mark end = next_arrival(world, transfer);
    const std::chrono::duration<double> time = end.at - begin.at;
    return {.arrived = 8.0 * 1514.0 * (end.segments - begin.segments) / time.count(),
            .received = 8.0 * static_cast<double>(end.bytes - begin.bytes) / time.count() * 1514.0 /
                        1448.0};
}

void report_round_trips(const Plane& plane, PlaneWorld& world, int milliseconds,
                        const char* beside) {
    const Duration expected = 2 * milliseconds * 1ms;
    const auto times = world.ping("a", "b", 200, 20ms);
    REQUIRE(times.size() == 200);
    const auto error = [&](std::size_t place) {
        return std::chrono::duration<double, std::milli>{times[place] - expected}.count();
    };
    std::printf("%-6s rtt  %4d ms %-5s  error p50 %+.3f ms  p5 %+.3f  p95 %+.3f\n",
                plane.name.c_str(), 2 * milliseconds, beside, error(100), error(10), error(190));
    std::fflush(stdout);
    CHECK(error(100) < std::chrono::duration<double, std::milli>{plane.rtt_error}.count());
    CHECK(error(0) > -0.15);
}

}  // namespace

TEST_CASE("rates over long windows", "[rates]") {
    for_each_plane([](const Plane& plane) {
        for (const double rate : {128e3, 256e3, 512e3, 1e6, 10e6, 128e6, 512e6, 1e9}) {
            const std::string text = std::to_string(static_cast<std::int64_t>(rate)) + "bps";
            PlaneWorld world{plane.open, {"a -- s1: 10ms " + text, "s1 -- b: 0ms"}};
            const TcpTransfer transfer{world.host("a"), world.host("b")};
            world.pass(5s);
            const Duration window = rate < 1e6 ? 60s : 10s;
            const FlowKey flow = world.flow("a", "b");
            const std::uint64_t before = world.counters(flow)->bytes;
            const Instant from = monotonic_now();
            const Rates seen = rates_of(world, transfer, window);
            const auto counted = static_cast<double>(world.counters(flow)->bytes - before) * 8.0;
            const std::chrono::duration<double> time = monotonic_now() - from;
            std::printf(
                "%-6s rate %10s  arrived %+.2f %%  received %+.2f %%  counted %+.2f %%  "
                "retransmissions %u\n",
                plane.name.c_str(), text.c_str(), percent(seen.arrived, rate),
                percent(seen.received, rate), percent(counted / time.count(), rate),
                transfer.retransmissions());
            std::fflush(stdout);
            CHECK(std::abs(percent(seen.arrived, rate)) < 100.0 * plane.rate_error(rate));
        }
    });
}

TEST_CASE("round trips, idle", "[rtt]") {
    for_each_plane([](const Plane& plane) {
        for (const int milliseconds : {1, 2, 5, 10, 20, 50, 100}) {
            PlaneWorld world{plane.open, {"a -- s1: " + ms(milliseconds), "s1 -- b: 0ms"}};
            report_round_trips(plane, world, milliseconds, "idle");
        }
    });
}

TEST_CASE("round trips beside 50 Mbps of TCP from the same host", "[rtt]") {
    for_each_plane([](const Plane& plane) {
        for (const int milliseconds : {1, 2, 5, 10, 20, 50, 100}) {
            PlaneWorld world{
                plane.open,
                {"a -- s1: 0ms", "s1 -- b: " + ms(milliseconds), "s1 -- c: 5ms 50Mbps"}};
            const TcpTransfer load{world.host("a"), world.host("c")};
            world.pass(2s);
            report_round_trips(plane, world, milliseconds, "load");
        }
    });
}

TEST_CASE("ten thousand paths change at an instant", "[switch]") {
    for_each_plane([](const Plane& plane) {
        // Ten hosts of this machine, a thousand destinations.
        std::vector<std::string> lines;
        lines.reserve(1000);
        for (int i = 0; i < 1000; ++i) lines.push_back("h" + std::to_string(i) + " -- s1: 1ms");
        PlaneWorldOptions options;
        options.local = [](const std::string& name) { return name.size() == 2; };
        PlaneWorld world{plane.open, lines, options};
        for (int milliseconds = 2; milliseconds <= 6; ++milliseconds) {
            const auto table =
                world.table(lines, static_cast<std::uint32_t>(milliseconds),
                            [&](LinkProperties& link) { link.latency = milliseconds * 1ms; });
            const std::size_t before = world.activated().size();
            const Instant change = monotonic_now() + 1s;
            world.plane().activate_at(table, change);
            world.await([&] { return world.activated().size() > before; });
            const std::chrono::duration<double, std::milli> took =
                world.activated().back().actual - change;
            std::printf("%-6s all in force %.3f ms after the instant\n", plane.name.c_str(),
                        took.count());
            std::fflush(stdout);
            // There and back, two links each way, to the last host of this machine.
            const auto times = world.ping("h0", "h9", 20, 1ms);
            REQUIRE(times.size() == 20);
            CHECK(times[10] > 4 * milliseconds * 1ms - 100us);
            CHECK(times[10] < 4 * milliseconds * 1ms + plane.rtt_error);
            if (plane.switches_at_once) CHECK(took < plane.switch_lateness);
        }
    });
}
