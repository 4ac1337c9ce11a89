// One path in the kernel, with exact instants. 1250 bytes take 1 ms at 10 Mbps.
#include <catch2/catch.hpp>

#include "tests/bpf/edt_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;

namespace {

constexpr int kDropped = 2;  // TC_ACT_SHOT

const Frame packet_of_1_ms{.bytes = 1250};

edt_path at_10_mbps(Duration delay = 0s) {
    edt_path path = row(delay);
    path.time_per_byte = time_per_byte(10_Mbps);
    return path;
}

}  // namespace

TEST_CASE("edt: a packet leaves when its last bit has been sent, and arrives a delay later") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = at_10_mbps(20ms);
    const auto sent = world.send(packet_of_1_ms, 5ms);
    CHECK(sent.passed());
    CHECK(sent.delivery == 26ms);
    CHECK(sent.flow == world.object().path(0, 1));
}

TEST_CASE("edt: packets that arrive together leave one after the other at the path's rate") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = at_10_mbps(20ms);
    for (int i = 1; i <= 3; ++i) CHECK(world.send(packet_of_1_ms, 0ms).delivery == 20ms + i * 1ms);
    CHECK(world.send(packet_of_1_ms, 10ms).delivery == 31ms);  // it was idle before
    const edt_counters& counters = world.counters(0, 1);
    CHECK(counters.bytes == 4ULL * 1250);
    CHECK(counters.packets == 4);
    CHECK(counters.waited_ns == 2'000'000);  // while the second and the third waited
}

TEST_CASE("edt: what goes to a host of another machine is given on as early as the way takes") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = at_10_mbps(20ms);
    world.path(0, 2) = at_10_mbps(20ms);
    world.object().early()[1] = 3'000'000;
    CHECK(world.send(packet_of_1_ms, 0ms).delivery == 18ms);
    CHECK(world.send({.destination = 2, .bytes = 1250}, 0ms).delivery == 21ms);
    // A way that takes longer than the path: at once, which is when it has departed.
    world.object().early()[1] = 25'000'000;
    CHECK(world.send(packet_of_1_ms, 100ms).delivery == 101ms);
}

TEST_CASE("edt: IPv6 and IPv4 are one path") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = at_10_mbps();
    CHECK(world.send({.bytes = 1250, .v6 = true}, 0ms).delivery == 1ms);
    CHECK(world.send({.bytes = 1250}, 0ms).delivery == 2ms);
    CHECK(world.counters(0, 1).packets == 2);
}

TEST_CASE("edt: the rate is right to a tenth of a per mille at any speed") {
    NEEDS_BPF();
    for (const std::int64_t bps :
         {61LL, 128'000LL, 999'999'937LL, 4'000'000'000LL, 100'000'000'000LL}) {
        EdtWorld world;
        edt_path& path = world.path(0, 1) = row();
        path.time_per_byte = time_per_byte(Bandwidth::bits_per_second(bps));
        Duration last{};
        const int packets = bps < 1000 ? 20 : 500;  // an hour
        for (int i = 0; i < packets; ++i) last = world.send({.bytes = 1514}, 0ms).delivery;
        const double expected = packets * 1514.0 * 8e9 / static_cast<double>(bps);
        CHECK(static_cast<double>(last.count()) == Approx(expected).epsilon(1e-4));
        CHECK(static_cast<double>(last.count()) >= expected * (1 - 1e-12));
    }
}

TEST_CASE("edt: an unlimited path without delay delivers at once, and drops nothing") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = row();
    world.path(0, 1).queue_bytes = 0;
    for (int i = 0; i < 5; ++i) CHECK(world.send(packet_of_1_ms, 7ms).delivery == 7ms);
}

TEST_CASE("edt: the tail is dropped when more waits than the queue holds") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = at_10_mbps();
    world.path(0, 1).queue_bytes = 2 * 1250;
    // The one that is being sent, two that wait.
    for (int i = 0; i < 3; ++i) CHECK(world.send(packet_of_1_ms, 0ms).passed());
    CHECK(world.send(packet_of_1_ms, 0ms).verdict == kDropped);
    CHECK(world.send(packet_of_1_ms, 1ms).delivery == 4ms);
    CHECK(world.send(packet_of_1_ms, 1ms).verdict == kDropped);
    CHECK(world.counters(0, 1).queue_drops == 2);
    CHECK(world.object().totals().queue_drops == 2);
    CHECK(world.counters(0, 1).packets == 4);
}

TEST_CASE("edt: what would be delivered beyond fq's horizon is a queue drop, and takes no time") {
    NEEDS_BPF();
    constexpr Duration kHorizon{EDT_HORIZON_NS};
    EdtWorld world;
    world.path(0, 1) = at_10_mbps(kHorizon - 2ms);
    CHECK(world.send(packet_of_1_ms, 0ms).delivery == kHorizon - 1ms);
    CHECK(world.send(packet_of_1_ms, 0ms).delivery == kHorizon);
    for (int i = 0; i < 3; ++i) CHECK(world.send(packet_of_1_ms, 0ms).verdict == kDropped);
    CHECK(world.send(packet_of_1_ms, 1ms).delivery == 1ms + kHorizon);
    CHECK(world.counters(0, 1).queue_drops == 3);
    CHECK(world.object().totals().queue_drops == 3);
    CHECK(world.counters(0, 1).packets == 3);
    CHECK(world.counters(0, 1).bytes == 3ULL * 1250);
    // By the clock of a slow link, too: two packets are 54 minutes, three are 81.
    world.path(0, 2) = row();
    world.path(0, 2).time_per_byte = time_per_byte(Bandwidth::bits_per_second(6));
    CHECK(world.send({.destination = 2, .bytes = 1250}, 0ms).passed());
    CHECK(world.send({.destination = 2, .bytes = 1250}, 0ms).passed());
    CHECK(world.send({.destination = 2, .bytes = 1250}, 0ms).verdict == kDropped);
}

TEST_CASE("edt: the queue holds its bytes whatever the rate was when they came") {
    NEEDS_BPF();
    for (const Bandwidth rate : {100_Mbps, 11_Mbps, 10_Mbps, 9_Mbps, 1_Mbps}) {
        for (const bool by_cap : {false, true}) {
            EdtWorld world;
            edt_path& path = world.path(0, 1) = at_10_mbps();
            path.queue_bytes = 50 * 1250;
            const auto accepted = [&world](Duration when) {
                int packets = 0;
                while (world.send(packet_of_1_ms, when).passed()) ++packets;
                return packets;
            };
            const auto set_rate = [&](Bandwidth to) {
                std::uint64_t& cap = world.object().caps()[world.object().path(0, 1)];
                if (by_cap) {
                    cap = time_per_byte(to);
                } else {
                    path.time_per_byte = time_per_byte(to);
                }
            };
            if (by_cap) {
                path.time_per_byte = time_per_byte(1_Gbps);
                set_rate(10_Mbps);
            }
            CHECK(accepted(0ms) == 51);
            // 40 of those wait still, and a bit of one: it is like the 11th.
            set_rate(rate);
            INFO("from 10 Mbps to " << rate.bits_per_second() << " bps");
            const int more = accepted(10ms + 500us);
            CHECK(more >= 9);
            CHECK(more <= 11);
            // And once more, while packets of both rates wait.
            set_rate(20_Mbps);
            const int later = accepted(20ms + 500us);
            CHECK(later >= 9);
            CHECK(later <= 11);
        }
    }
}

TEST_CASE("edt: order is kept when the delay becomes shorter") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = row(50ms);
    CHECK(world.send(packet_of_1_ms, 0ms).delivery == 50ms);
    world.path(0, 1) = row(10ms);
    CHECK(world.send(packet_of_1_ms, 1ms).delivery == 50ms);
    CHECK(world.send(packet_of_1_ms, 41ms).delivery == 51ms);
}

TEST_CASE("edt: a cap slows a path, and no cap makes it faster") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = at_10_mbps();
    std::uint64_t& cap = world.object().caps()[world.object().path(0, 1)];
    cap = time_per_byte(5_Mbps);
    CHECK(world.send(packet_of_1_ms, 0ms).delivery == 2ms);
    CHECK(world.counters(0, 1).time_per_byte == time_per_byte(5_Mbps));
    cap = time_per_byte(100_Mbps);
    CHECK(world.send(packet_of_1_ms, 10ms).delivery == 11ms);
    cap = 0;
    CHECK(world.send(packet_of_1_ms, 20ms).delivery == 21ms);
}

TEST_CASE("edt: nothing passes where no path leads, or where a host is cut off") {
    NEEDS_BPF();
    EdtWorld world;
    CHECK(world.send(packet_of_1_ms, 0ms).verdict == kDropped);  // a row of zeros
    world.path(0, 1) = row();
    CHECK(world.send(packet_of_1_ms, 0ms).passed());
    world.object().caps()[world.object().path(0, 1)] = EDT_BLOCKED;
    CHECK(world.send(packet_of_1_ms, 0ms).verdict == kDropped);
    CHECK(world.counters(0, 1).unreachable_drops == 2);
    CHECK(world.object().totals().unreachable_drops == 2);
    CHECK(world.counters(0, 1).packets == 1);
}

TEST_CASE("edt: a source that nobody told of reaches nothing") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = row();
    CHECK(world.send({.source = 0xffffffff}, 0ms).verdict == kDropped);  // classid 0
    CHECK(world.send({.source = 2}, 0ms).verdict == kDropped);
    CHECK(world.object().totals().unreachable_drops == 2);
}

TEST_CASE("edt: two paths of one host don't disturb each other") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = at_10_mbps(100ms);
    world.path(0, 2) = at_10_mbps(1ms);
    for (int i = 0; i < 50; ++i) world.send({.destination = 1, .bytes = 1250}, 0ms);
    const auto sent = world.send({.destination = 2, .bytes = 1250}, 0ms);
    CHECK(sent.delivery == 2ms);
    CHECK(sent.flow != world.object().path(0, 1));
}

TEST_CASE("edt: a path's first packet, and the first after silence, are events") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = row();
    for (const Duration when : {0ms, 99ms, 198ms, 298ms}) world.send(packet_of_1_ms, when);
    world.send({.destination = 2}, 300ms);  // nothing is reachable there, but it began
    const std::vector<edt_event> events = world.events();
    REQUIRE(events.size() == 3);
    const auto start = static_cast<std::uint64_t>(EdtWorld::kStart.count());
    CHECK(events[0].path == world.object().path(0, 1));
    CHECK(events[0].at_ns == start);
    CHECK(events[1].at_ns == start + 298'000'000);
    CHECK(events[2].path == world.object().path(0, 2));
}

TEST_CASE("edt: events that nobody takes are counted, and nothing else suffers") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = row();
    world.object().control().idle_ns = 0;  // every packet is one
    constexpr std::uint64_t kPackets = 60'000;
    for (std::uint64_t i = 0; i < kPackets; ++i) {
        if (!world.send({.bytes = 60}, 0ms).passed()) FAIL("dropped");
    }
    const std::uint64_t lost = world.object().totals().event_losses;
    CHECK(lost > 0);
    CHECK(world.events().size() + lost == kPackets);
}

TEST_CASE("edt: packets that stand for many count as what they stand for") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = at_10_mbps();
    // Three segments of 1000 bytes of payload, the last with 500: headers 14 + 20 + 20.
    const Frame many{.bytes = 54 + 2500,
                     .protocol = 6,
                     .gso_segments = 3,
                     .gso_size = 1000,
                     .wire_bytes = 2500 + 3 * 54};
    const auto sent = world.send(many, 0ms);
    const std::uint64_t bytes = 2500 + 3 * 54;
    CHECK(sent.delivery == Duration{static_cast<std::int64_t>(bytes * 800)});
    CHECK(world.counters(0, 1).bytes == bytes);
    CHECK(world.counters(0, 1).packets == 3);
    CHECK(world.object().totals().packets_out == 3);
    CHECK(world.object().totals().bytes_out == bytes);
    // With the overhead of the wire each segment counts 24 more.
    world.path(0, 1).overhead = 38;
    world.send(many, 100ms);
    CHECK(world.counters(0, 1).bytes == 2 * bytes + 3ULL * 24);
}

TEST_CASE("edt: segments that the kernel has not counted are counted by their headers") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = row();
    world.send({.bytes = 54 + 2500, .protocol = 6, .gso_size = 1000, .wire_bytes = 2500 + 3 * 54},
               0ms);
    CHECK(world.counters(0, 1).packets == 3);
    CHECK(world.counters(0, 1).bytes == 2500 + 3 * 54);
    world.send({.bytes = 62 + 2500, .v6 = true, .gso_size = 1000, .wire_bytes = 2500 + 3 * 62},
               0ms);
    CHECK(world.counters(0, 1).packets == 6);
}

TEST_CASE(
    "edt: a packet of many segments finds room when all but its first fit, or on an idle path") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = at_10_mbps();
    world.path(0, 1).queue_bytes = 1500;
    const Frame four{.bytes = 54 + 2000,
                     .protocol = 6,
                     .gso_segments = 4,
                     .gso_size = 500,
                     .wire_bytes = 2000 + 4 * 54};
    CHECK(world.send(four, 0ms).passed());
    CHECK(world.send(four, 0ms).verdict == kDropped);
    CHECK(world.counters(0, 1).queue_drops == 4);
    CHECK(world.send({.bytes = 54 + 1000, .protocol = 6}, 2ms).passed());
}

TEST_CASE("edt: marks are kept, and priorities except the one that fq would not hold") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = row();
    const auto marked = world.send({.priority = 0x10003, .mark = 0xdeadbeef}, 0ms);
    CHECK(marked.mark == 0xdeadbeef);
    CHECK(marked.priority == 0x10003);
    CHECK(world.send({.priority = 0x10007}, 0ms).priority == 0x10006);
}
