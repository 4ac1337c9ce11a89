// The conformance suite, part five: hosts that come, go, break, and what can't be reached.
#include <algorithm>
#include <ctime>
#include <thread>

#include <linux/if_ether.h>
#include <linux/pkt_sched.h>

#include "node/dataplane/edt/traffic_control.hh"
#include "tests/dataplane/frames.hh"
#include "tests/dataplane/plane_cases.hh"
#include "tests/underlay/ttl.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

const std::vector<std::string> three_hosts{"a -- s1: 1ms", "s1 -- b: 1ms", "s1 -- c: 1ms"};

// All that there is of traffic control on the host's interface: asked by netlink, for starting `tc`
// takes long.
std::string traffic_control(const TestHost& host) {
    TrafficControl at{host.network_namespace(), TestHost::kInterface};
    std::string text;
    for (const QdiscFound& one : at.qdiscs()) {
        text += one.kind + " " + std::to_string(one.handle) + " " + std::to_string(one.parent) +
                " " + std::string{one.options.begin(), one.options.end()} + "\n";
    }
    for (const ClsactSide side : {ClsactSide::egress, ClsactSide::ingress}) {
        for (const FilterFound& one : at.filters(side)) {
            text += "filter " + one.kind + " " + one.name + "\n";
        }
    }
    return text;
}

void add_clsact(const TestHost& host) {
    TrafficControl at{host.network_namespace(), TestHost::kInterface};
    REQUIRE(at.add_clsact() == 0);
}

void add_token_bucket(const TestHost& host) {
    host.links().add_token_bucket(TestHost::kInterface);
}

const std::vector<std::string> two_hosts{"a -- s1: 5ms 10Mbps", "s1 -- b: 5ms"};

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
            return skip_case("hosts are joined by routing here, which takes one off the TTL");
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
        const auto ping_from = [&world](const std::string& from, const std::string& to,
                                        Duration patience = 500ms) {
            std::vector<Duration> times;
            world.beside([&] {
                times =
                    ping(Echoes{.from = &world.host(from), .address = to, .count = 5}, patience);
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
        CHECK(ping_from("b", "10.0.9.9", 150ms).empty());
        world.plane().read_counters(monotonic_now());
        CHECK(world.plane().totals().unknown_destination_drops == 5);
        world.plane().remove_host(world.flow("a", "b").source);
        CHECK(ping_from("b", "192.0.2.1", 150ms).empty());
        CHECK(ping_from("b", "10.0.0.3").size() == 5);
    });
}

TEST_CASE("nothing passes where no path leads, and what is unknown is counted", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 1ms", "s2 -- b: 1ms"}};
        CHECK(world.is_silent("a", "b", 3));
        world.plane().read_counters(monotonic_now());
        CHECK(world.plane().totals().unreachable_drops == 3);
        CHECK(ping(Echoes{.from = &world.host("a"), .address = "10.0.9.9", .count = 2}, 150ms)
                  .empty());
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
        CHECK(world.is_silent("a", "b"));
        world.plane().connect(world.flow("a", "b").destination);
        CHECK(world.ping("a", "b", 2, 10ms).size() == 2);
    });
}

TEST_CASE("a host that was removed is gone, the others go on", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, three_hosts};
        world.plane().remove_host(world.flow("a", "b").destination);
        CHECK(world.is_silent("a", "b"));
        CHECK(world.ping("a", "c", 2, 10ms).size() == 2);
    });
}

TEST_CASE("a host whose namespace has gone disturbs nobody") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, three_hosts};
        world.destroy_host("b");
        // A thread that is woken for ever would take all of each 400 ms. User Mode Linux now and
        // then charges half a second of ticks at once, before the host goes as well as after.
        constexpr std::clock_t kMost = CLOCKS_PER_SEC / 20;
        std::clock_t least = CLOCKS_PER_SEC;
        for (int i = 0; i < 3 && least >= kMost; ++i) {
            const std::clock_t before = std::clock();
            CHECK(world.ping("a", "c", 20, 20ms).size() == 20);
            least = std::min(least, std::clock() - before);
        }
        CHECK(least < kMost);
    });
}

TEST_CASE("a host whose interface has gone disturbs nobody, and can be removed", "[short]") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return not_applicable();
        PlaneWorld world{plane.open, three_hosts};
        world.remove_interface("b");
        world.await([&] { return world.plane().totals().interfaces_lost == 1; });
        change_to(world, {"a -- s1: 5ms", "s1 -- b: 1ms", "s1 -- c: 5ms"});
        world.plane().set_caps({{world.flow("b", "a"), 1_Mbps}, {world.flow("a", "b"), 1_Mbps}});
        world.plane().read_counters(monotonic_now());
        CHECK(world.ping("a", "c", 3, 10ms).at(0) >= 20ms - 150us);
        world.plane().remove_host(world.flow("a", "b").destination);
        CHECK(world.ping("a", "c", 3, 10ms).size() == 3);
        CHECK(world.plane().totals().interfaces_lost == 1);
    });
}

TEST_CASE("what passed before an interface went away stays counted as it was", "[short]") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return not_applicable();
        PlaneWorld world{plane.open, {"a -- s1: 1ms", "s1 -- b: 1ms"}};
        CHECK(world.ping("a", "b", 5, 10ms).size() == 5);
        world.await([&] { return world.counters(world.flow("b", "a")) != nullptr; });
        const auto counters = world.counters(world.flow("b", "a"));
        CHECK(counters->packets == 5);
        world.remove_interface("b");
        world.plane().read_counters(monotonic_now());
        CHECK(counters->packets == 5);
        CHECK(counters->queue_drops == 0);
        CHECK(counters->queued_bytes == 0);
        CHECK(world.plane().totals().queue_drops == 0);
    });
}

TEST_CASE("what somebody removes of a host's shaping is told once, and nothing passes unshaped",
          "[short]") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return not_applicable();
        PlaneWorld world{plane.open, {"a -- s1: 10ms", "s1 -- b: 0ms", "s1 -- c: 0ms"}};
        const auto lost = [&] { return world.plane().totals().interfaces_lost; };
        // The filters of clsact, then it itself: both come back.
        world.host("a").links().remove_filters(TestHost::kInterface,
                                               TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS));
        world.await([&] { return lost() == 1; });
        const auto after_filter = world.ping("a", "b", 3, 10ms);
        REQUIRE(after_filter.size() == 3);
        CHECK(after_filter.front() >= 20ms - 150us);
        world.host("b").links().remove_qdisc(TestHost::kInterface, TC_H_CLSACT);
        world.await([&] { return lost() == 2; });
        const auto after_clsact = world.ping("a", "b", 3, 10ms);
        REQUIRE(after_clsact.size() == 3);
        CHECK(after_clsact.front() >= 20ms - 150us);
        // What holds and delays: either it comes back, or nothing passes.
        world.host("c").links().remove_qdisc(TestHost::kInterface, TC_H_ROOT);
        world.await([&] { return lost() == 3; });
        const auto after_root = world.ping("a", "c", 3, 10ms, false, 200ms);
        CHECK(after_root.size() == (plane.mends_root ? 3 : 0));
        for (const Duration one : after_root) CHECK(one >= 20ms - 150us);
        // The plane goes on, also with what has lost its root.
        change_to(world, {"a -- s1: 20ms", "s1 -- b: 0ms", "s1 -- c: 5ms"});
        CHECK(world.ping("a", "b", 3, 10ms).at(0) >= 40ms - 150us);
        CHECK(lost() == 3);
        world.close_plane();
        CHECK(traffic_control(world.host("c")).find("htb") == std::string::npos);
        CHECK(traffic_control(world.host("c")).find("netem") == std::string::npos);
    });
}

TEST_CASE(
    "shaping that somebody's own qdisc keeps from being put back is told, and the others go on",
    "[short]") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return not_applicable();
        PlaneWorld world{plane.open, {"a -- s1: 10ms", "s1 -- b: 0ms", "c -- s1: 10ms"}};
        Links links = world.host("a").links();
        links.remove_qdisc(TestHost::kInterface, TC_H_CLSACT);
        links.add_ingress(TestHost::kInterface);
        world.await([&] { return world.plane().totals().interfaces_lost == 1; });
        CHECK(traffic_control(world.host("a")).find("ingress") != std::string::npos);
        if (!plane.mends_root) CHECK(world.ping("a", "b", 3, 10ms, false, 200ms).empty());
        const auto others = world.ping("c", "b", 3, 10ms);
        REQUIRE(others.size() == 3);
        CHECK(others.front() >= 20ms - 150us);
        change_to(world, {"a -- s1: 20ms", "s1 -- b: 0ms", "c -- s1: 20ms"});
        CHECK(world.ping("c", "b", 3, 10ms).at(0) >= 40ms - 150us);
        CHECK(world.plane().totals().interfaces_lost == 1);
    });
}

TEST_CASE("what is no IP is dropped and counted, but for ARP", "[short]") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return not_applicable();
        constexpr std::uint16_t kExperiment = 0x88b5;  // IEEE 802
        PlaneWorld world{plane.open, {"a -- s1: 1ms", "s1 -- b: 1ms"}};
        const TestHost& a = world.host("a");
        const std::uint64_t before = packets_sent(a);
        send_frames(a, kExperiment, std::string(50, 'x'), 3);
        world.plane().read_counters(monotonic_now());
        CHECK(world.plane().totals().unknown_destination_drops == 3);
        CHECK(packets_sent(a) == before);
        send_frames(a, ETH_P_ARP, std::string(28, '\0'), 2);
        world.plane().read_counters(monotonic_now());
        CHECK(world.plane().totals().unknown_destination_drops == 3);
        CHECK(packets_sent(a) == before + 2);
    });
}

TEST_CASE("any IP protocol takes its path, and is counted to the byte", "[short]") {
    for_each_plane([](const Plane& plane) {
        PlaneWorld world{plane.open, {"a -- s1: 20ms 100Mbps", "s1 -- b: 0ms"}};
        for (const bool v6 : {false, true}) {
            const StrangePackets packets{world.host("a"), world.host("b"), v6};
            const Instant sent = monotonic_now();
            for (int i = 0; i < 10; ++i) packets.send(500);
            int arrived = 0;
            world.beside([&] { arrived = packets.arrived(10); });
            CHECK(arrived == 10);
            CHECK(monotonic_now() - sent >= 20ms);
        }
        world.await([&] { return world.counters(world.flow("a", "b")) != nullptr; });
        const auto counters = world.counters(world.flow("a", "b"));
        CHECK(counters->packets == 20);
        CHECK(counters->bytes == 10 * (500 + 20 + 14) + 10 * (500 + 40 + 14));
        // Nobody knows the protocol there: ICMP says so, by the way back, a few times a second.
        CHECK(counters->queue_drops == 0);
    });
}

TEST_CASE("jumbo frames are ordinary packets") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return not_applicable();
        // 8042 bytes, 3.2 ms each.
        PlaneWorld world{plane.open, {"a -- s1: 5ms 20Mbps queue=1000000B", "s1 -- b: 0ms"}};
        world.set_mtu(9000);
        Stream stream = world.stream("a", "b", 60);
        stream.payload = 8000;
        stream.interval = Duration::zero();
        const StreamResult result = world.exchange(stream);
        REQUIRE(result.arrivals.size() == 60);
        for (const Arrival& one : result.arrivals) CHECK_FALSE(one.damaged);
        const auto counters = world.counters(world.flow("a", "b"));
        CHECK(counters->packets == 60);
        CHECK(counters->bytes == 60 * 8042ULL);
        const Arrival& last = result.arrivals.back();
        const Duration took = last.sent + last.one_way - result.arrivals.front().sent - 5ms;
        INFO("took " << took.count() << " ns");
        // One packet more may leave at once.
        CHECK(took > 59 * 3216us - plane.burst);
        CHECK(took < 60 * 3216us * (1.0 + plane.rate_error(20e6)) + 5ms);
    });
}

TEST_CASE("silent hosts cost nothing") {
    for_each_plane([](const Plane& plane) {
        std::vector<std::string> lines;
        lines.reserve(20);
        for (int i = 0; i < 20; ++i) lines.push_back("h" + std::to_string(i) + " -- s1: 1ms");
        PlaneWorld world{plane.open, lines};
        world.pass(200ms);
        // The least of up to three times 500 ms: see above for the ticks of User Mode Linux.
        constexpr std::clock_t kMost = CLOCKS_PER_SEC / 1000;
        std::clock_t least = CLOCKS_PER_SEC;
        for (int i = 0; i < 3 && least >= kMost; ++i) {
            const std::clock_t before = std::clock();
            world.pass(500ms);
            least = std::min(least, std::clock() - before);
        }
        CHECK(least < kMost);
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
        if (plane.attachment != AttachmentKind::kernel_interface) return not_applicable();
        for (const std::string kind : {"tbf", "clsact"}) {
            INFO(kind);
            const auto add = kind == "tbf" ? add_token_bucket : add_clsact;
            PlaneWorldOptions options;
            std::string there;
            std::string afterwards;
            options.prepare = [&](const TestHost& host) {
                add(host);
                there = traffic_control(host);
            };
            options.refused = [&](const TestHost& host) { afterwards = traffic_control(host); };
            REQUIRE_THROWS_WITH((PlaneWorld{plane.open, {"a -- s1: 1ms"}, options}),
                                Catch::Contains(kind) && Catch::Contains("pleat0") &&
                                    Catch::Contains("--takeover"));
            CHECK_THAT(there, Catch::Contains(kind));
            CHECK(afterwards == there);
        }
    });
}

TEST_CASE("what is to be taken over is replaced, and put back at the end", "[short]") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return not_applicable();
        PlaneWorldOptions options;
        options.takeover = true;
        std::string before;
        options.prepare = [&](const TestHost& host) {
            add_token_bucket(host);
            add_clsact(host);
            before = traffic_control(host);
        };
        PlaneWorld world{plane.open, two_hosts, options};
        CHECK_THAT(traffic_control(world.host("a")), !Catch::Contains("tbf"));
        CHECK(world.ping("a", "b", 1, 10ms).at(0) >= 20ms - 150us);
        world.close_plane();
        CHECK(traffic_control(world.host("a")) == before);
        CHECK(traffic_control(world.host("b")) == before);
    });
}

TEST_CASE("a plane that ends leaves nothing behind", "[short]") {
    for_each_plane([](const Plane& plane) {
        if (plane.attachment != AttachmentKind::kernel_interface) return not_applicable();
        std::string before;
        PlaneWorldOptions options;
        options.prepare = [&](const TestHost& host) { before = traffic_control(host); };
        PlaneWorld world{plane.open, two_hosts, options};
        CHECK(world.ping("a", "b", 1, 10ms).size() == 1);
        CHECK(traffic_control(world.host("a")) != before);
        world.close_plane();
        CHECK(traffic_control(world.host("a")) == before);
        CHECK(ping(Echoes{.from = &world.host("a"), .address = world.host("b").address()}).at(0) <
              5ms);
    });
}
