// What counts as a packet, and where it goes.
#include <catch2/catch.hpp>

#include "tests/bpf/edt_world.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

constexpr int kPasses = 0;
constexpr int kDropped = 2;
constexpr std::size_t kIp = 14;  // where the IP header begins

EdtWorld reachable_world() {
    EdtWorld world;
    world.path(0, 1) = row(5ms);
    return world;
}

Bytes changed(Bytes bytes, std::size_t at, std::uint8_t to) {
    bytes.at(at) = to;
    return bytes;
}

Bytes shortened(Bytes bytes, std::size_t to) {
    bytes.resize(to);
    return bytes;
}

}  // namespace

TEST_CASE("edt: ARP and neighbour discovery pass untouched and uncounted") {
    NEEDS_BPF();
    EdtWorld world = reachable_world();
    const Bytes arp = changed(bytes_of({.bytes = 60}), 13, 0x06);
    const auto sent = world.send({.priority = 7}, arp, 1ms);
    CHECK(sent.verdict == kPasses);
    CHECK(sent.bytes == arp);
    CHECK(sent.priority == 7);
    CHECK(sent.delivery == -EdtWorld::kStart);  // no time was set
    for (const int type : {133, 134, 135, 136, 137}) {
        const Bytes nd = changed(bytes_of({.bytes = 86, .protocol = 58, .v6 = true}), kIp + 40,
                                 static_cast<std::uint8_t>(type));
        CHECK(world.send({}, nd, 1ms).delivery == -EdtWorld::kStart);
    }
    CHECK(world.object().totals().packets_in == 0);
    const Bytes echo = changed(bytes_of({.bytes = 86, .protocol = 58, .v6 = true}), kIp + 40, 128);
    CHECK(world.send({}, echo, 1ms).delivery == 6ms);
}

TEST_CASE("edt: what goes to no host is counted, and dropped or passed unshaped as asked") {
    NEEDS_BPF();
    EdtWorld world = reachable_world();
    const Bytes multicast = changed(bytes_of({}), kIp + 16, 224);
    const Bytes lldp = changed(changed(bytes_of({}), 12, 0x88), 13, 0xcc);
    std::vector<Bytes> unknown{bytes_of({.destination = 100}),
                               bytes_of({.destination = 100, .v6 = true}), multicast, lldp};
    for (const Bytes& bytes : unknown) CHECK(world.send({}, bytes, 1ms).verdict == kDropped);
    CHECK(world.object().totals().unknown_destination == 4);
    world.object().control().pass_unknown = 1;
    for (const Bytes& bytes : unknown) {
        const auto sent = world.send({}, bytes, 1ms);
        CHECK(sent.verdict == kPasses);
        CHECK(sent.delivery == -EdtWorld::kStart);
    }
    CHECK(world.object().totals().unknown_destination == 8);
    CHECK(world.object().totals().packets_in == 8);
    CHECK(world.object().totals().packets_out == 0);
}

TEST_CASE("edt: IPv4 packets beyond the run's range go to the outside host when there is one") {
    NEEDS_BPF();
    EdtWorld world = reachable_world();
    world.path(0, 3) = row(7ms);
    edt_control& control = world.object().control();
    control.run_network = address4(0) & 0xff000000U;
    control.run_mask = 0xff000000U;
    const auto to = [](std::uint8_t first) { return changed(bytes_of({}), kIp + 16, first); };
    CHECK(world.send({}, to(192), 0ms).verdict == kDropped);
    control.outside = 3;
    CHECK(world.send({}, to(192), 0ms).delivery == 7ms);
    CHECK(world.send({}, to(223), 0ms).delivery == 7ms);
    CHECK(world.counters(0, 3).packets == 2);
    CHECK(world.send({}, 0ms).delivery == 5ms);  // a host is not outside
    // In the run's range, multicast, broadcast; IPv6.
    CHECK(world.send({.destination = 100}, 0ms).verdict == kDropped);
    CHECK(world.send({}, to(224), 0ms).verdict == kDropped);
    CHECK(world.send({}, to(255), 0ms).verdict == kDropped);
    CHECK(world.send({.destination = 100, .v6 = true}, 0ms).verdict == kDropped);
    CHECK(world.object().totals().unknown_destination == 5);
    // It has to be in the run.
    control.outside = 4;
    CHECK(world.send({}, to(192), 0ms).verdict == kDropped);
    CHECK(world.object().totals().unreachable_drops == 1);
}

TEST_CASE("edt: an address may be taken away, and given to another host") {
    NEEDS_BPF();
    EdtWorld world = reachable_world();
    world.path(0, 2) = row(9ms);
    world.object().remove_address(address4(1));
    world.object().remove_address(address6(1));
    CHECK(world.send({}, 0ms).verdict == kDropped);
    CHECK(world.send({.v6 = true}, 0ms).verdict == kDropped);
    world.object().add_address(address4(1), HostId{2});
    world.object().add_address(address6(1), HostId{2});
    CHECK(world.send({}, 0ms).delivery == 9ms);
    CHECK(world.send({.v6 = true}, 0ms).delivery == 9ms);
    world.object().remove_address(address4(77));  // that was never there
}

TEST_CASE("edt: truncated and inconsistent packets are dropped and counted") {
    NEEDS_BPF();
    EdtWorld world = reachable_world();
    const Bytes v4 = bytes_of({.bytes = 114});
    const Bytes v6 = bytes_of({.bytes = 114, .v6 = true});
    const Bytes icmp6 = bytes_of({.bytes = 54, .protocol = 58, .v6 = true});
    // The kernel's test run refuses frames that end within an IP header: not behind a tag.
    const Bytes tagged4 = bytes_of({.tags = {0x8100}});
    const Bytes tagged6 = bytes_of({.v6 = true, .tags = {0x8100}});
    const std::vector<Bytes> broken{
        shortened(tagged4, kIp + 4 + 19),  // not even a header
        shortened(tagged6, kIp + 4 + 39),
        changed(v4, kIp, 0x55),                         // version 5 behind IPv4's ethertype
        changed(v4, kIp, 0x44),                         // a header of 16 bytes
        shortened(changed(v4, kIp, 0x4f), kIp + 40),    // options that are not there
        changed(v4, kIp + 2, 0x10),                     // longer than the frame
        changed(changed(v4, kIp + 2, 0), kIp + 3, 19),  // shorter than its header
        changed(v6, kIp, 0x40),
        changed(v6, kIp + 4, 0x10),
        icmp6,  // ICMPv6 without a type
        shortened(bytes_of({.tags = {0x8100}}), 17),
        shortened(bytes_of({.tags = {0x88a8, 0x8100}}), 21),
    };
    for (std::size_t i = 0; i < broken.size(); ++i) {
        INFO("packet " << i);
        CHECK(world.send({}, broken[i], 0ms).verdict == kDropped);
        CHECK(world.object().totals().malformed_drops == i + 1);
    }
    CHECK(world.object().totals().packets_in == broken.size());
    CHECK(world.counters(0, 1).packets == 0);
}

TEST_CASE("edt: padding behind a short packet does not count") {
    NEEDS_BPF();
    EdtWorld world = reachable_world();
    Bytes padded = bytes_of({.bytes = 14 + 28});
    padded.resize(60);
    CHECK(world.send({}, padded, 0ms).delivery == 5ms);
    CHECK(world.counters(0, 1).bytes == 14 + 28);
}

TEST_CASE("edt: IPv4 options, fragments and jumbo frames are ordinary packets") {
    NEEDS_BPF();
    EdtWorld world = reachable_world();
    CHECK(world.send({.bytes = 200, .options = 40}, 0ms).delivery == 5ms);
    const Bytes later_fragment = changed(bytes_of({.bytes = 200}), kIp + 7, 100);
    CHECK(world.send({}, later_fragment, 0ms).delivery == 5ms);
    CHECK(world.send({.bytes = 200, .protocol = 44, .v6 = true}, 0ms).delivery == 5ms);
    CHECK(world.send({.bytes = 3500}, 0ms).delivery == 5ms);
    CHECK(world.counters(0, 1).bytes == 3 * 200 + 3500);
}

TEST_CASE("edt: tagged packets are shaped by the header inside, whose tags don't count") {
    NEEDS_BPF();
    EdtWorld world = reachable_world();
    CHECK(world.send({.bytes = 200, .tags = {0x8100}}, 0ms).delivery == 5ms);
    CHECK(world.send({.bytes = 200, .tags = {0x88a8, 0x8100}}, 0ms).delivery == 5ms);
    CHECK(world.send({.bytes = 200, .v6 = true, .tags = {0x8100}}, 0ms).delivery == 5ms);
    CHECK(world.counters(0, 1).bytes == 600);
    // More than two tags: nobody's.
    CHECK(world.send({.bytes = 200, .tags = {0x88a8, 0x8100, 0x8100}}, 0ms).verdict == kDropped);
    CHECK(world.object().totals().unknown_destination == 1);
    // A tagged packet that stands for many.
    world.send({.bytes = 54 + 2000,
                .protocol = 6,
                .tags = {0x8100},
                .gso_segments = 2,
                .gso_size = 1000,
                .wire_bytes = 2000 + 2 * 58},
               0ms);
    CHECK(world.counters(0, 1).bytes == 600 + 2000 + 2 * 54);
}
