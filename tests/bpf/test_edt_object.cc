// The object as a whole: epochs, pins, sizes, processors.
#include <chrono>
#include <thread>

#include <bpf/bpf.h>
#include <catch2/catch.hpp>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "base/clock.hh"
#include "base/error.hh"
#include "tests/bpf/bpf_directory.hh"
#include "tests/bpf/edt_world.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;

namespace {

constexpr std::uint64_t nanoseconds(Duration since_start) {
    return static_cast<std::uint64_t>((EdtWorld::kStart + since_start).count());
}

std::string message_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Failure& failure) {
        return failure.what();
    }
    return "no failure";
}

}  // namespace

TEST_CASE("edt: before the first epoch nothing is reachable") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1) = row();
    CHECK_FALSE(world.send({}, -1ns).passed());
    CHECK(world.counters(0, 1).unreachable_drops == 1);
    CHECK(world.send({}, 0ns).passed());
}

TEST_CASE("edt: an epoch is in force from its instant on, to the nanosecond") {
    NEEDS_BPF();
    EdtWorld world;
    world.path(0, 1, 0) = row(1ms);
    world.path(0, 1, 1) = row(2ms);
    world.object().control().begins_at_ns[1] = nanoseconds(1s);
    CHECK(world.send({}, 0s).delivery == 1ms);
    CHECK(world.send({}, 1s - 1ns).delivery == 1s - 1ns + 1ms);
    CHECK(world.send({}, 1s).delivery == 1s + 2ms);
    CHECK(world.send({}, 2s).delivery == 2s + 2ms);
}

TEST_CASE("edt: a chain of three epochs, a microsecond apart, is on time") {
    NEEDS_BPF();
    EdtWorld world;
    for (unsigned slot = 0; slot < EDT_SLOTS; ++slot) {
        world.path(0, 1, slot) = row((slot + 1) * 10ms);
        world.object().uplinks(slot)[0] = {};
    }
    // In any order of slots.
    world.object().control().begins_at_ns[3] = nanoseconds(1s);
    world.object().control().begins_at_ns[1] = nanoseconds(1s + 1us);
    world.object().control().begins_at_ns[2] = nanoseconds(1s + 2us);
    const auto delay = [&world](Duration when) { return world.send({}, when).delivery - when; };
    CHECK(delay(1s - 1ns) == 10ms);
    CHECK(delay(1s) == 40ms);
    CHECK(delay(1s + 999ns) == 40ms);
    world.object().control().idle_ns = 1;
    // Order is kept: later packets of shorter delay arrive with the one before.
    CHECK(world.send({}, 1s + 1us).delivery == 1s + 999ns + 40ms);
    CHECK(delay(2s) == 30ms);
}

TEST_CASE("edt: a slot is used again once another is in force") {
    NEEDS_BPF();
    EdtWorld world;
    Duration when = 0s;
    for (unsigned epoch = 1; epoch < 20; ++epoch) {
        const unsigned slot = epoch % EDT_SLOTS;
        world.object().control().begins_at_ns[slot] = EDT_NEVER;
        world.path(0, 1, slot) = row(epoch * 1ms);
        world.object().control().begins_at_ns[slot] = nanoseconds(epoch * 1s);
        when = epoch * 1s;
        CHECK(world.send({}, when).delivery == when + epoch * 1ms);
    }
}

TEST_CASE("edt: 100,000 paths are filled in 2 ms, and switched by one store") {
    NEEDS_BPF();
    EdtWorld world{{.sources = 20, .destinations = 5000, .uplinks = 20, .seed = 1}};
    std::fill(world.object().paths(0).begin(), world.object().paths(0).end(), row(1ms));
    const std::vector<edt_path> prepared(100'000, row(2ms));
    const std::span<edt_path> shadow = world.object().paths(1);
    REQUIRE(shadow.size() == prepared.size());
    std::vector<Duration> times;
    for (int i = 0; i < 9; ++i) {
        const Instant before = monotonic_now();
        std::copy(prepared.begin(), prepared.end(), shadow.begin());
        times.push_back(monotonic_now() - before);
    }
    std::nth_element(times.begin(), times.begin() + 4, times.end());
    WARN("filling 100,000 rows: median " << times[4].count() / 1000 << " us; maps take "
                                         << world.object().memory_bytes() / 1000 / 1000 << " MB");
    CHECK(times[4] < 2ms);
    CHECK(world.send({.source = 19, .destination = 4999}, 1s).delivery == 1s + 1ms);
    world.object().control().begins_at_ns[1] = nanoseconds(2s);
    CHECK(world.send({.source = 19, .destination = 4999}, 2s - 1ns).delivery == 2s - 1ns + 1ms);
    CHECK(world.send({.source = 19, .destination = 4999}, 2s).delivery == 2s + 2ms);
    CHECK(world.send({.source = 0, .destination = 0}, 2s).delivery == 2s + 2ms);
}

TEST_CASE("edt: memory grows with the paths, 432 bytes each, and else with hosts, not pairs") {
    NEEDS_BPF();
    const auto memory = [](std::uint32_t here, std::uint32_t all) {
        return static_cast<std::int64_t>(
            EdtObject::load({.sources = here, .destinations = all, .uplinks = here, .seed = 1})
                .memory_bytes());
    };
    const auto beside_paths = [&](std::uint32_t here, std::uint32_t all) {
        return memory(here, all) - std::int64_t{432} * here * all;
    };
    const std::int64_t all = memory(10, 5000);
    WARN("10 hosts here of 5000: " << all / 1000 << " kB of maps");
    CHECK(all < 50'000 * 432 + 5000 * 400 + 10 * 10'000 + 1'500'000);
    // Twice the hosts are twice as much more; arrays are rounded up to pages.
    constexpr std::int64_t kRounding = 100'000;
    const std::int64_t base = beside_paths(10, 5000);
    const std::int64_t of_5000 = beside_paths(10, 10'000) - base;
    const std::int64_t of_10000 = beside_paths(10, 15'000) - base;
    INFO(of_5000 << " bytes for 5000 hosts more, " << of_10000 << " for 10,000");
    CHECK(of_5000 <= std::int64_t{5000} * 400 + kRounding);
    CHECK(of_10000 <= 2 * of_5000 + kRounding);
    // And of this machine's own: no pair among it.
    const std::int64_t of_10_here = beside_paths(20, 5000) - base;
    INFO(of_10_here << " bytes for 10 hosts more here");
    CHECK(of_10_here <= std::int64_t{10} * 10'000 + kRounding);
}

TEST_CASE("edt: two processors that send on one path count everything, once") {
    NEEDS_BPF();
    EdtWorld world{{.sources = 1, .destinations = 2, .uplinks = 1, .seed = 1}};
    edt_path& path = world.path(0, 1) = row();
    path.time_per_byte = time_per_byte(1_Gbps);
    path.uplink = 0;
    path.loss = chance(0.1);
    world.object().uplinks(0)[0] = {
        .time_per_byte = time_per_byte(10_Gbps), .overhead = 14, .pad = {}};
    world.object().control().fake_now_ns = nanoseconds(0s);
    const Bytes bytes = bytes_of({.bytes = 1000});
    constexpr std::uint64_t kEach = 10'000;
    const auto sender = [&] {
        __sk_buff context{};
        context.cb[4] = EDT_CLASSID(0);
        bpf_test_run_opts options{};
        options.sz = sizeof options;
        options.data_in = bytes.data();
        options.data_size_in = static_cast<std::uint32_t>(bytes.size());
        options.ctx_in = &context;
        options.ctx_size_in = sizeof context;
        options.repeat = static_cast<int>(kEach);
        return bpf_prog_test_run_opts(world.object().test_program(), &options);
    };
    std::array<int, 2> status{-1, -1};
    {
        std::jthread other{[&] { status[1] = sender(); }};
        status[0] = sender();
    }
    CHECK(status == std::array<int, 2>{0, 0});
    const edt_counters& counters = world.counters(0, 1);
    const edt_totals totals = world.object().totals();
    CHECK(counters.packets == 2 * kEach);
    CHECK(counters.bytes == 2ULL * kEach * 1000);
    CHECK(totals.packets_in == 2 * kEach);
    CHECK(totals.packets_out + totals.loss_drops == 2 * kEach);
    // The clock has sent them all, one after the other: 8 us each.
    CHECK(counters.next_free_ns == nanoseconds(static_cast<std::int64_t>(2 * kEach) * 8us));
    // The same draws as one sender would have had.
    const DrawStream draws{1, {HostId{0}, HostId{1}}, 17};
    std::uint64_t lost = 0;
    for (std::uint64_t i = 0; i < 2 * kEach; ++i) {
        lost += (draws.bits(DrawPurpose::loss, i) >> 32U) < path.loss ? 1 : 0;
    }
    CHECK(counters.loss_drops == lost);
}

TEST_CASE("edt: a restarted daemon finds everything where it was pinned") {
    NEEDS_BPF();
    const BpfDirectory directory;
    EdtWorld world;
    world.path(0, 1) = row(3ms);
    world.object().pin(directory.path());
    world.object().pin(directory.path());  // once more does no harm
    world.send({}, 0ms);
    EdtObject adopted = EdtObject::adopt(directory.path());
    CHECK(adopted.sources() == 2);
    CHECK(adopted.destinations() == 4);
    CHECK(adopted.uplinks() == 2);
    CHECK(adopted.counters()[adopted.path(0, 1)].packets == 1);
    CHECK(adopted.control().begins_at_ns[0] == nanoseconds(0s));
    // Both are views of the same, live arrays.
    adopted.paths(0)[adopted.path(0, 1)] = row(7ms);
    CHECK(world.send({}, 1s).delivery == 1s + 7ms);
    CHECK(adopted.totals().packets_out == 2);
    int events = 0;
    adopted.events().take<edt_event>([&events](const edt_event&) { ++events; });
    CHECK(events == 2);
    EdtObject::unpin(directory.path());
    EdtObject::unpin(directory.path());
    CHECK_THAT(message_of([&] { (void)EdtObject::adopt(directory.path()); }),
               Catch::Contains("taking over") && Catch::Contains("No such file"));
}

TEST_CASE("edt: what does not fit is refused with what was asked for") {
    NEEDS_BPF();
    CHECK_THAT(message_of([] { (void)EdtObject::load({.sources = 70'000}); }),
               Catch::Contains("65535"));
    CHECK_THAT(
        message_of([] { (void)EdtObject::load({.sources = 60'000, .destinations = 65'000}); }),
        Catch::Contains("'paths'") && Catch::Contains("at most"));
    // A map of 100 GB and more than this machine has.
    CHECK_THAT(
        message_of([] { (void)EdtObject::load({.sources = 8'000, .destinations = 60'000}); }),
        Catch::Contains("8000 sources") && Catch::Contains("memory"));
}

TEST_CASE("edt: when the addresses are used up, the error says how many there were") {
    NEEDS_BPF();
    EdtObject object = EdtObject::load({.sources = 1, .destinations = 2, .uplinks = 1});
    const std::string said = message_of([&] {
        for (std::uint32_t host = 0; host < 100; ++host) {
            object.add_address(address4(host), HostId{0});
        }
    });
    CHECK_THAT(said, Catch::Contains("room for 4 addresses"));
}

TEST_CASE("edt: a host that is cut off gets nothing, and it is counted") {
    NEEDS_BPF();
    EdtWorld world;
    const Bytes bytes = bytes_of({});
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.data_in = bytes.data();
    options.data_size_in = static_cast<std::uint32_t>(bytes.size());
    options.repeat = 3;
    REQUIRE(bpf_prog_test_run_opts(world.object().drop_all_program(), &options) == 0);
    CHECK(options.retval == 2);
    CHECK(world.object().totals().unreachable_drops == 3);
}

TEST_CASE("edt: on a machine's own interface others' packets, and control's, pass untouched") {
    NEEDS_BPF();
    EdtObject object = EdtObject::load(
        {.sources = 1, .destinations = 2, .attached = true, .spared_ports = {22, 7400}});
    object.add_address(address4(1), HostId{1});
    const auto verdict = [](int program, Bytes packet) {
        bpf_test_run_opts options{};
        options.sz = sizeof options;
        options.data_in = packet.data();
        options.data_size_in = static_cast<std::uint32_t>(packet.size());
        REQUIRE(bpf_prog_test_run_opts(program, &options) == 0);
        return static_cast<int>(options.retval);
    };
    const auto with_ports = [](Bytes packet, std::uint16_t from, std::uint16_t to) {
        packet[34] = static_cast<std::uint8_t>(from >> 8U);
        packet[35] = static_cast<std::uint8_t>(from & 0xffU);
        packet[36] = static_cast<std::uint8_t>(to >> 8U);
        packet[37] = static_cast<std::uint8_t>(to & 0xffU);
        return packet;
    };
    const int egress = object.egress_program();
    const Bytes to_host = bytes_of({.destination = 1});
    const Bytes tcp = bytes_of({.destination = 1, .protocol = 6});
    // Cloned for the second pass.
    CHECK(verdict(egress, with_ports(to_host, 1000, 80)) == TC_ACT_STOLEN);
    CHECK(verdict(egress, with_ports(tcp, 1000, 80)) == TC_ACT_STOLEN);
    CHECK(verdict(egress, bytes_of({.destination = 1, .protocol = 1})) == TC_ACT_STOLEN);
    for (const Bytes& passes :
         {with_ports(tcp, 1000, 22), with_ports(tcp, 22, 1000), with_ports(to_host, 7400, 1),
          bytes_of({.destination = 0}), bytes_of({.destination = 1, .v6 = true})}) {
        CHECK(verdict(egress, passes) == TC_ACT_UNSPEC);
    }
    // A later piece of a datagram has no ports, whatever its bytes say.
    Bytes piece = with_ports(to_host, 1000, 22);
    piece[21] = 8;
    CHECK(verdict(egress, piece) == TC_ACT_STOLEN);
    // Where the host is cut off, by source.
    Bytes from_host = tcp;
    for (std::size_t i = 0; i < 4; ++i) {
        from_host[26 + i] = static_cast<std::uint8_t>(address4(1) >> (24U - 8U * i));
        from_host[30 + i] = 9;
    }
    const int drop = object.drop_all_program();
    CHECK(verdict(drop, with_ports(from_host, 1000, 80)) == TC_ACT_SHOT);
    CHECK(verdict(drop, with_ports(from_host, 1000, 22)) == TC_ACT_UNSPEC);
    CHECK(verdict(drop, tcp) == TC_ACT_UNSPEC);
}
