// The conformance suite, part five: hosts that come, go, break, and what can't be reached.
#include <algorithm>
#include <ctime>
#include <thread>

#include "tests/dataplane/plane_cases.hh"
#include "tests/underlay/ttl.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

const std::vector<std::string> three_hosts{"a -- s1: 1ms", "s1 -- b: 1ms", "s1 -- c: 1ms"};

std::string qdiscs(const TestHost& host) {
    return host.run({"tc", "qdisc", "show", "dev", TestHost::kInterface}) +
           host.run({"tc", "filter", "show", "dev", TestHost::kInterface, "egress"});
}

}  // namespace

TEST_CASE("large datagrams arrive whole, fragmented by the sender's kernel", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms 100Mbps", "s1 -- b: 1ms"}};
        for (const bool v6 : {false, true}) {
            Stream stream = world.stream("a", "b", 20);
            stream.interval = 10ms;
            stream.payload = 20000;
            stream.v6 = v6;
            const StreamResult result = world.exchange(stream);
            CHECK(result.arrivals.size() == 20);
            for (const Arrival& one : result.arrivals) CHECK_FALSE(one.damaged);
        }
    });
}

TEST_CASE("the network has no hops: TTLs stay, and a traceroute's first answer is the last",
          "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms", "s1 -- s2: 1ms", "s2 -- b: 1ms"}};
        if (!world.keeps_ttl()) {
            WARN("SKIPPED for " << plane.name << ": hosts are joined by routing here");
            return;
        }
        const TestHost& b = world.host("b");
        for (const std::string& address : {b.address(), b.address6()}) {
            INFO(address);
            const Way way{world.host("a").network_namespace(), b.network_namespace(), address};
            world.beside([&] {
                CHECK(ttl_on_arrival(way, 1) == 1);
                CHECK(ttl_on_arrival(way, 64) == 64);
                CHECK(ttl_on_arrival(way, 1, 5000) == 1);
                CHECK(answer_to(way, 1) == address);
            });
        }
    });
}

TEST_CASE("what is for no host takes the path to the outside host, and comes back from there",
          "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorldOptions options;
        options.outside = "a";
        options.prepare = [](const TestHost& host) {
            if (host.address() != "10.0.0.1") return;
            host.run({"ip", "address", "add", "192.0.2.1/32", "dev", "lo"});
        };
        PlaneWorld world{plane.open, {"a -- s1: 5ms", "s1 -- b: 2ms", "s1 -- c: 1ms"}, options};
        REQUIRE(world.host("a").address() == "10.0.0.1");
        const auto ping_from = [&world](const std::string& from, const std::string& to) {
            std::vector<Duration> times;
            world.beside([&] {
                times = ping(Echoes{.from = &world.host(from), .address = to, .count = 5});
            });
            return times;
        };
        const std::vector<Duration> there = ping_from("b", "192.0.2.1");
        REQUIRE(there.size() == 5);
        CHECK(there.front() >= 14ms - 150us);
        CHECK(ping_from("c", "192.0.2.1").size() == 5);
        CHECK(ping_from("b", "10.0.0.3").size() == 5);
        REQUIRE(world.counters(world.flow("b", "a")) != nullptr);
        CHECK(world.counters(world.flow("b", "a"))->packets == 5);
        CHECK(world.counters(world.flow("a", "b"))->packets == 5);
        // In the run's own range nobody is outside; nor has IPv6 an outside.
        CHECK(world.plane().totals().unknown_destination_drops == 0);
        CHECK(ping_from("b", "10.0.9.9").empty());
        world.plane().read_counters(monotonic_now());
        CHECK(world.plane().totals().unknown_destination_drops == 5);
        world.plane().remove_host(world.flow("a", "b").source);
        CHECK(ping_from("b", "192.0.2.1").empty());
        CHECK(ping_from("b", "10.0.0.3").size() == 5);
    });
}

TEST_CASE("nothing passes where no path leads, and what is unknown is counted", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms", "s2 -- b: 1ms"}};
        CHECK(world.ping("a", "b", 3, 10ms).empty());
        world.plane().read_counters(monotonic_now());
        CHECK(world.plane().totals().unreachable_drops == 3);
        CHECK(ping(Echoes{.from = &world.host("a"), .address = "10.0.9.9", .count = 2}).empty());
        world.plane().read_counters(monotonic_now());
        CHECK(world.plane().totals().unknown_destination_drops == 2);
        CHECK(world.plane().totals().packets_out == 0);
    });
}

TEST_CASE("a cut host is silent until it is connected again", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms", "s1 -- b: 1ms"}};
        CHECK(world.ping("a", "b", 2, 10ms).size() == 2);
        world.plane().cut(world.flow("a", "b").destination);
        CHECK(world.ping("a", "b", 2, 10ms).empty());
        world.plane().connect(world.flow("a", "b").destination);
        CHECK(world.ping("a", "b", 2, 10ms).size() == 2);
    });
}

TEST_CASE("a host that was removed is gone, the others go on", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, three_hosts};
        world.plane().remove_host(world.flow("a", "b").destination);
        CHECK(world.ping("a", "b", 2, 10ms).empty());
        CHECK(world.ping("a", "c", 2, 10ms).size() == 2);
    });
}

TEST_CASE("a host whose namespace has gone disturbs nobody", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, three_hosts};
        world.destroy_host("b");
        // A thread that is woken for ever would take all of each 400 ms. User Mode Linux now and
        // then charges half a second of ticks at once, before the host goes as well as after.
        std::clock_t least = CLOCKS_PER_SEC;
        for (int i = 0; i < 3; ++i) {
            const std::clock_t before = std::clock();
            CHECK(world.ping("a", "c", 20, 20ms).size() == 20);
            least = std::min(least, std::clock() - before);
        }
        CHECK(least < CLOCKS_PER_SEC / 20);
    });
}

TEST_CASE("a host whose interface has gone disturbs nobody, and can be removed", "[short]") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return;
        PlaneWorld world{plane.open, three_hosts};
        world.remove_interface("b");
        change_to(world, {"a -- s1: 5ms", "s1 -- b: 1ms", "s1 -- c: 5ms"});
        world.plane().set_caps({{world.flow("b", "a"), 1_Mbps}, {world.flow("a", "b"), 1_Mbps}});
        world.plane().read_counters(monotonic_now());
        CHECK(world.ping("a", "c", 3, 10ms).at(0) >= 20ms - 150us);
        world.plane().remove_host(world.flow("a", "b").destination);
        CHECK(world.ping("a", "c", 3, 10ms).size() == 3);
    });
}

TEST_CASE("silent hosts cost nothing") {
    for_each_plane([](const Plane& plane) {
        std::vector<std::string> lines;
        lines.reserve(20);
        for (int i = 0; i < 20; ++i) lines.push_back("h" + std::to_string(i) + " -- s1: 1ms");
        PlaneWorld world{plane.open, lines};
        world.pass(200ms);
        // The least of three seconds: see above for the ticks of User Mode Linux.
        std::clock_t least = CLOCKS_PER_SEC;
        for (int i = 0; i < 3; ++i) {
            const std::clock_t before = std::clock();
            world.pass(1s);
            least = std::min(least, std::clock() - before);
        }
        CHECK(least < CLOCKS_PER_SEC / 500);
    });
}

TEST_CASE("a flow is reported with its first packet", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms", "s1 -- b: 1ms"}};
        world.ping("a", "b", 1, 10ms);
        world.pass(150ms);
        world.ping("a", "b", 1, 10ms);
        world.await([&] { return world.started().size() == 4; });
        CHECK(world.started()[0].flow == world.flow("a", "b"));
        CHECK(world.started()[1].flow == world.flow("b", "a"));
        CHECK(world.started()[2].counters == world.started()[0].counters);
        CHECK(world.counters(world.flow("a", "b"))->packets == 2);
    });
}

TEST_CASE("what somebody else has put on an interface is refused, and stays", "[short]") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return;
        PlaneWorldOptions options;
        std::string there;
        options.prepare = [&](const TestHost& host) {
            host.links().add_token_bucket(TestHost::kInterface);
            there = qdiscs(host);
        };
        REQUIRE_THROWS_WITH((PlaneWorld{plane.open, {"a -- s1: 1ms"}, options}),
                            Catch::Contains("tbf") && Catch::Contains("pleat0"));
        CHECK_THAT(there, Catch::Contains("tbf"));
    });
}

TEST_CASE("a plane that ends leaves nothing behind", "[short]") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return;
        std::string before;
        PlaneWorldOptions options;
        options.prepare = [&](const TestHost& host) { before = qdiscs(host); };
        PlaneWorld world{plane.open, {"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms"}, options};
        CHECK(world.ping("a", "b", 1, 10ms).size() == 1);
        CHECK(qdiscs(world.host("a")) != before);
        world.close_plane();
        CHECK(qdiscs(world.host("a")) == before);
        CHECK(ping(Echoes{.from = &world.host("a"), .address = world.host("b").address()}).at(0) <
              5ms);
    });
}
