// The BPF classifier by itself: packets in, verdict, class and counts out, on this machine's
// own kernel (BPF_PROG_TEST_RUN).
#include <cstring>
#include <string>
#include <vector>

#include <bpf/bpf.h>
#include <catch2/catch.hpp>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <unistd.h>

#include "base/error.hh"
#include "node/dataplane/netem/classifier.hh"
#include "node/dataplane/netem/tc_messages.hh"
#include "tests/dataplane/tally.hh"

using namespace pleat;
using pleat::testing::Tally;
using namespace std::chrono_literals;

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes operator+(Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Bytes ethernet(std::uint16_t type, const Bytes& tags = {}) {
    Bytes header(12, 2);
    return header + tags +
           Bytes{static_cast<std::uint8_t>(type >> 8U), static_cast<std::uint8_t>(type & 0xffU)};
}

Bytes ipv4(std::uint32_t to, const Bytes& options = {}) {
    Bytes header(20, 0);
    header[0] = static_cast<std::uint8_t>(0x45 + options.size() / 4);
    header[8] = 64;
    header[9] = 17;
    for (std::size_t i = 0; i < 4; ++i) {
        header[16 + i] = static_cast<std::uint8_t>(to >> (24U - 8U * i));
    }
    return header + options + Bytes(80, 0);
}

Bytes ipv6(const std::array<std::uint8_t, 16>& to, std::uint8_t next, const Bytes& rest) {
    Bytes header(40, 0);
    header[0] = 0x60;
    header[6] = next;
    header[7] = 255;
    std::copy(to.begin(), to.end(), header.begin() + 24);
    return header + rest + Bytes(40, 0);
}

struct Outcome {
    int verdict = -1;
    std::uint32_t priority = 0;
};

class World {
  public:
    explicit World(bool pass_unknown = false, const std::optional<BareMetal>& bare_metal = {})
        : classifier_{AddressPlan{}, 3, pass_unknown, 100ms, true, bare_metal},
          source_{classifier_.add_source(0)} {
        at(1s);
        rows()[1].classid = class_id(7);
    }

    void at(Duration now) { classifier_.control().fake_now_ns = static_cast<__u64>(now.count()); }

    std::span<netem_row> rows() { return source_->rows.all(); }

    const netem_totals& totals() const { return classifier_.totals(); }

    Classifier& classifier() { return classifier_; }

    Outcome run(const Bytes& packet, std::uint32_t segments = 0, std::uint32_t wire = 0) {
        return run_program(classifier_.egress_program(), packet, segments, wire);
    }

    // Where a host is cut off.
    int arrive(const Bytes& packet) {
        return run_program(classifier_.cut_program(), packet, 0, 0).verdict;
    }

    int events() {
        int count = 0;
        classifier_.events().take<netem_event>([&count](const netem_event& event) {
            CHECK(event.destination == 1);
            ++count;
        });
        return count;
    }

  private:
    static Outcome run_program(int program, const Bytes& packet, std::uint32_t segments,
                               std::uint32_t wire) {
        __sk_buff context{};
        context.priority = 3;  // the application's own
        context.gso_segs = segments;
        context.gso_size = segments > 0 ? 1000 : 0;
        context.wire_len = wire;
        __sk_buff result{};
        bpf_test_run_opts options{};
        options.sz = sizeof options;
        options.data_in = packet.data();
        options.data_size_in = static_cast<std::uint32_t>(packet.size());
        options.ctx_in = &context;
        options.ctx_size_in = sizeof context;
        options.ctx_out = &result;
        options.ctx_size_out = sizeof result;
        check("run the classifier", bpf_prog_test_run_opts(program, &options));
        return {static_cast<int>(options.retval), result.priority};
    }

    Classifier classifier_;
    std::unique_ptr<Classifier::Source> source_;
};

bool possible() {
    static Tally tally{"netem_kernel, the classifier"};
    return tally.begin(::geteuid() == 0 ? "" : "BPF needs root");
}

const std::uint32_t known_ipv4 = AddressPlan{}.ipv4(HostId{1});
const auto known_ipv6 = AddressPlan{}.ipv6(HostId{1});

}  // namespace

TEST_CASE("a known destination chooses its class, IPv4 and IPv6, with options and tags") {
    if (!possible()) return;
    World world;
    const Bytes option(8, 1);
    const Bytes tag{0x81, 0x00, 0x00, 0x05};
    const Bytes outer{0x88, 0xa8, 0x00, 0x06};
    const std::vector<Bytes> packets{ethernet(0x0800) + ipv4(known_ipv4),
                                     ethernet(0x0800) + ipv4(known_ipv4, option),
                                     ethernet(0x0800, tag) + ipv4(known_ipv4),
                                     ethernet(0x0800, outer + tag) + ipv4(known_ipv4),
                                     ethernet(0x86dd) + ipv6(known_ipv6, 17, {}),
                                     ethernet(0x86dd, tag) + ipv6(known_ipv6, 6, {})};
    std::uint64_t bytes = 0;
    for (const Bytes& packet : packets) {
        const Outcome outcome = world.run(packet);
        CHECK(outcome.verdict == TC_ACT_OK);
        CHECK(outcome.priority == class_id(7));
        bytes += packet.size();
    }
    CHECK(world.rows()[1].packets == packets.size());
    CHECK(world.rows()[1].bytes == bytes);
    CHECK(world.totals().packets_in == packets.size());
}

TEST_CASE("a GSO packet counts as its segments, by the path's overhead") {
    if (!possible()) return;
    World world;
    world.rows()[1].overhead = 24;
    world.run(ethernet(0x0800) + ipv4(known_ipv4), 10, 10'540);
    CHECK(world.rows()[1].packets == 10);
    CHECK(world.rows()[1].bytes == 10'540 + 10 * 24);
}

TEST_CASE("neighbours are asked for unshaped; what else goes to no host is dropped or passes") {
    if (!possible()) return;
    const std::array<std::uint8_t, 16> group{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22};
    const std::vector<Bytes> neighbours{
        ethernet(0x0806) + Bytes(28, 0), ethernet(0x86dd) + ipv6(known_ipv6, 58, {135}),
        ethernet(0x86dd) + ipv6(group, 58, {136}),
        ethernet(0x86dd) + ipv6(group, 0, Bytes{58, 0, 5, 2, 0, 0, 1, 0, 143})};
    const std::vector<Bytes> strangers{
        ethernet(0x0800) + ipv4(0x0a0000ff), ethernet(0x0800) + ipv4(0xe00000fb),
        ethernet(0x0800) + ipv4(0xffffffff), ethernet(0x86dd) + ipv6(group, 17, {}),
        ethernet(0x88cc) + Bytes(60, 0)};
    for (const bool pass : {false, true}) {
        World world{pass};
        for (const Bytes& packet : neighbours) {
            const Outcome outcome = world.run(packet);
            CHECK(outcome.verdict == TC_ACT_OK);
            CHECK(outcome.priority == kDefaultClass);
        }
        CHECK(world.totals().unknown_destination == 0);
        for (const Bytes& packet : strangers) {
            const Outcome outcome = world.run(packet);
            CHECK(outcome.verdict == (pass ? TC_ACT_OK : TC_ACT_STOLEN));
            if (pass) CHECK(outcome.priority == kDefaultClass);
        }
        CHECK(world.totals().unknown_destination == strangers.size());
    }
}

TEST_CASE("what goes to no IPv4 host goes to the outside when there is one") {
    if (!possible()) return;
    World world;
    world.classifier().set_outside(1);
    CHECK(world.run(ethernet(0x0800) + ipv4(0x08080808)).priority == class_id(7));
    CHECK(world.run(ethernet(0x0800) + ipv4(0xffffffff)).verdict == TC_ACT_STOLEN);
    // In the run's own range.
    CHECK(world.run(ethernet(0x0800) + ipv4(AddressPlan{}.ipv4(HostId{99}))).verdict ==
          TC_ACT_STOLEN);
}

TEST_CASE("what leads nowhere or ends too soon is dropped, counted, and not told to the sender") {
    if (!possible()) return;
    World world;
    CHECK(world.run(ethernet(0x0800) + ipv4(AddressPlan{}.ipv4(HostId{2}))).verdict ==
          TC_ACT_STOLEN);
    CHECK(world.rows()[2].unreachable_drops == 1);
    CHECK(world.totals().unreachable_drops == 1);
    // Tagged: the kernel itself takes no shorter IP packets for a trial.
    const Bytes tag{0x81, 0x00, 0x00, 0x05};
    Bytes truncated = ethernet(0x0800, tag) + ipv4(known_ipv4);
    truncated.resize(18 + 18);
    CHECK(world.run(truncated).verdict == TC_ACT_STOLEN);
    truncated = ethernet(0x86dd, tag) + Bytes(30, 0);
    CHECK(world.run(truncated).verdict == TC_ACT_STOLEN);
    CHECK(world.totals().malformed_drops == 2);
    CHECK(world.rows()[1].packets == 0);
}

TEST_CASE("the first packet after 100 ms of silence is an event") {
    if (!possible()) return;
    World world;
    const Bytes packet = ethernet(0x0800) + ipv4(known_ipv4);
    const std::vector<std::pair<Duration, int>> steps{{1000ms, 1},    {1001ms, 0},    {1100ms, 0},
                                                      {1199999us, 0}, {1299999us, 1}, {5s, 1}};
    for (const auto& [now, expected] : steps) {
        world.at(now);
        world.run(packet);
        INFO(now.count());
        CHECK(world.events() == expected);
        CHECK(world.rows()[1].last_arrival_ns == static_cast<__u64>(now.count()));
    }
}

TEST_CASE(
    "on a machine's own interface others' packets, and control's, pass on to others' filters") {
    if (!possible()) return;
    World world{true, BareMetal{.spared_ports = {22, 7400}}};
    const auto with_ports = [](Bytes packet, std::uint8_t protocol, std::uint16_t from,
                               std::uint16_t to) {
        packet[23] = protocol;
        packet[34] = static_cast<std::uint8_t>(from >> 8U);
        packet[35] = static_cast<std::uint8_t>(from & 0xffU);
        packet[36] = static_cast<std::uint8_t>(to >> 8U);
        packet[37] = static_cast<std::uint8_t>(to & 0xffU);
        return packet;
    };
    const Bytes to_host = ethernet(0x0800) + ipv4(known_ipv4);
    const Bytes to_other = ethernet(0x0800) + ipv4(0xc0a80001);
    CHECK(world.run(with_ports(to_host, 6, 1000, 80)).verdict == TC_ACT_OK);
    CHECK(world.run(with_ports(to_host, 6, 1000, 80)).priority == class_id(7));
    for (const Bytes& passes :
         {with_ports(to_host, 6, 1000, 22), with_ports(to_host, 6, 22, 1000),
          with_ports(to_host, 17, 7400, 1000), to_other, ethernet(0x0806) + Bytes(28, 0)}) {
        const Outcome outcome = world.run(passes);
        CHECK(outcome.verdict == TC_ACT_UNSPEC);
        CHECK(outcome.priority == kDefaultClass);
    }
    CHECK(world.run(with_ports(to_host, 1, 22, 22)).verdict == TC_ACT_OK);  // ICMP has no ports
    // Nor has a later piece of a datagram, whatever its bytes say.
    Bytes piece = with_ports(to_host, 17, 1000, 22);
    piece[21] = 8;
    CHECK(world.run(piece).verdict == TC_ACT_OK);

    Bytes from_host = to_other;
    for (std::size_t i = 0; i < 4; ++i) {
        from_host[26 + i] = static_cast<std::uint8_t>(known_ipv4 >> (24U - 8U * i));
    }
    CHECK(world.arrive(with_ports(from_host, 6, 1000, 80)) == TC_ACT_SHOT);
    CHECK(world.arrive(with_ports(from_host, 6, 1000, 22)) == TC_ACT_UNSPEC);
    CHECK(world.arrive(to_other) == TC_ACT_UNSPEC);
    CHECK(World{}.arrive(to_other) == TC_ACT_SHOT);
}
