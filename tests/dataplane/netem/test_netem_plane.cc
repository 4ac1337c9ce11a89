// The whole `netem` plane, where it differs from others. What all planes must do is in
// tests/dataplane/test_planes_*.cc. Skips aloud where the kernel has no netem.

#include <cerrno>
#include <functional>

#include <catch2/catch.hpp>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "model/demand_machine.hh"
#include "node/dataplane/netem/netem_plane.hh"
#include "node/dataplane/netem/tcal.hh"
#include "tests/bpf/without_bpf.hh"
#include "tests/dataplane/frames.hh"
#include "tests/dataplane/plane_world.hh"
#include "tests/dataplane/tally.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

bool possible() {
    static const std::string missing = [] {
        const std::string found = missing_for_hosts(AttachmentKind::kernel_interface);
        return found.empty() ? missing_for_netem() : found;
    }();
    static Tally tally{"netem_kernel, the plane"};
    return tally.begin(missing);
}

OpenPlane opened(NetemOptions options = {}) {
    return
        [options](PlaneContext context) { return open_netem_plane(std::move(context), options); };
}

struct NetemState {
    tc_netem_qopt base{};
    std::int64_t delay_ns = 0;
    std::int64_t jitter_ns = 0;
    std::uint32_t reorder = 0;
    std::uint32_t corrupt = 0;
    bool burst_loss = false;

    friend bool operator==(const NetemState& a, const NetemState& b) {
        return a.base.loss == b.base.loss && a.base.limit == b.base.limit &&
               a.base.gap == b.base.gap && a.delay_ns == b.delay_ns && a.jitter_ns == b.jitter_ns &&
               a.corrupt == b.corrupt && a.burst_loss == b.burst_loss;
    }
};

// As the kernel has it.
NetemState read_back(int network_namespace, const TcMessages& messages, std::uint16_t minor) {
    RouteSocket socket{network_namespace};
    RequestBatch batch;
    batch.add(messages.read_qdisc(class_id(minor), netem_id(minor)));
    NetemState state;
    const auto refused = batch.send(socket, [&state](const nlmsghdr& header) {
        auto* message = const_cast<nlmsghdr*>(&header);
        nlattr* options = nlmsg_find_attr(message, sizeof(tcmsg), TCA_OPTIONS);
        std::memcpy(&state.base, nla_data(options), sizeof state.base);
        const auto* first = reinterpret_cast<const nlattr*>(
            static_cast<const char*>(nla_data(options)) + sizeof state.base);
        const int size = nla_len(options) - static_cast<int>(sizeof state.base);
        const auto find = [&](int type) { return nla_find(first, size, type); };
        state.delay_ns = static_cast<std::int64_t>(nla_get_u64(find(TCA_NETEM_LATENCY64)));
        state.jitter_ns = static_cast<std::int64_t>(nla_get_u64(find(TCA_NETEM_JITTER64)));
        state.reorder = nla_get_u32(find(TCA_NETEM_REORDER));
        state.corrupt = nla_get_u32(find(TCA_NETEM_CORRUPT));
        state.burst_loss = find(TCA_NETEM_LOSS) != nullptr;
    });
    REQUIRE(refused.empty());
    return state;
}

// A host's interface, for Tcal alone.
struct Shaped {
    Underlay underlay;
    TestHost host{AddressPlan{}, HostId{0}, &underlay};
    Tcal tcal{host.network_namespace(), TestHost::kInterface, false, 1};
};

// What the sharer would make of the flow: after `least`, once it is as expected, or after 15 s. (A
// machine that is held up looks like demand that changes.)
DemandState judged(PlaneWorld& world, FlowKey flow, const FlowTerms& terms, Duration least,
                   const std::function<bool(DemandState)>& expected) {
    world.await([&] { return world.counters(flow) != nullptr; });
    const auto counters = world.counters(flow);
    DemandMachine machine;
    machine.start(FlowCount{.at = monotonic_now()});
    const Instant begin = monotonic_now();
    Duration waited_before{};
    for (Instant now = begin;; now = monotonic_now()) {
        if (now - begin > 15s || (now - begin > least && expected(machine.state()))) break;
        world.plane().read_counters(now);
        const std::int64_t since = counters->waiting_since_ns;
        Duration waited{counters->waited_ns.load()};
        if (since != 0) waited += std::max(now - Instant{Duration{since}}, Duration::zero());
        waited_before = std::max(waited, waited_before);
        machine.observe(FlowReading{.count = {.at = now,
                                              .bytes = counters->bytes,
                                              .packets = counters->packets,
                                              .waited = waited_before},
                                    .queued = DataSize::bytes(counters->queued_bytes),
                                    .last_arrival = Instant{Duration{counters->last_arrival_ns}}},
                        terms);
        world.pass(10ms);
    }
    return machine.state();
}

}  // namespace

TEST_CASE("delays and jitter are told to the nanosecond, and what goes back to zero is zero") {
    if (!possible()) return;
    Shaped shaped;
    PathShape plain{.bandwidth = 10_Mbps, .queue = 100'000_B, .latency = 1'234'567ns};
    PathShape full = plain;
    full.latency = 678ns;
    full.jitter = 345ns;
    full.loss = Probability::of(0.5);
    full.corrupt = Probability::of(0.25);
    full.reorder = Probability::of(0.125);
    PathShape bursts = plain;
    bursts.burst_loss = GilbertElliott{Probability::of(0.1), Probability::of(0.5),
                                       Probability::of(0.0), Probability::of(1.0)};
    const std::uint16_t uplink =
        shaped.tcal.shape_uplink(0, class_shape(100_Mbps, 100_Mbps, Overhead{}));
    const std::uint16_t minor = shaped.tcal.add_destination();
    const auto put = [&](const PathShape& path) {
        shaped.tcal.shape_destination(minor, uplink,
                                      destination_shape(path, Bandwidth::unlimited(), 100_Mbps));
        shaped.tcal.commit();
        return read_back(shaped.host.network_namespace(), shaped.tcal.messages(), minor);
    };
    const NetemState first = put(plain);
    CHECK(first.delay_ns == 1'234'567);
    CHECK(first.jitter_ns == 0);
    const NetemState second = put(full);
    CHECK(second.delay_ns == 678);
    CHECK(second.jitter_ns == 345);
    CHECK(second.base.loss == 0x8000'0000);
    CHECK(second.corrupt == 0x4000'0000);
    CHECK(second.reorder == 0x2000'0000);
    CHECK(second.base.gap == 1);
    CHECK(put(bursts).burst_loss);
    CHECK(put(plain) == first);
}

TEST_CASE("a destination that does not fit in is refused in words") {
    if (!possible()) return;
    Shaped shaped;
    for (int i = kFirstDestination; i <= kLastDestination; ++i) shaped.tcal.add_destination();
    CHECK_THROWS_WITH(shaped.tcal.add_destination(),
                      Catch::Contains("65,535") && Catch::Contains(TestHost::kInterface));
}

TEST_CASE("when no path leads there any more, what departed arrives, what waits is dropped") {
    if (!possible()) return;
    // 8 ms a packet on the link, 150 ms on their way.
    const std::vector<std::string> lines{"a -- s1: 150ms 1Mbps queue=100000B", "s1 -- b: 0ms"};
    PlaneWorld world{opened(), lines};
    Stream burst = world.stream("a", "b", 60);
    burst.payload = 958;
    burst.interval = Duration::zero();
    const auto gone = world.table(lines, 2, [](LinkProperties&) {});
    std::vector<LinkState> links{gone->links().begin(), gone->links().end()};
    std::vector<PathTable::Tree> nowhere;
    for (const PathTable::Tree& tree : gone->trees()) {
        nowhere.push_back(std::make_shared<Parents>(tree->size(), kNoLink));
    }
    for (LinkState& link : links) link.up = false;
    const auto cut_off = std::make_shared<PathTable>(2, gone->epoch(), std::move(links),
                                                     std::move(nowhere), gone->partitions());
    world.plane().activate_at(cut_off, monotonic_now() + 100ms);
    const StreamResult result = world.exchange(burst);
    // 12 had departed after 100 ms; it took a moment to begin.
    CHECK(result.arrivals.size() >= 8);
    CHECK(result.arrivals.size() <= 15);
    CHECK(world.counters(world.flow("a", "b"))->unreachable_drops == 60 - result.arrivals.size());
}

TEST_CASE("what a killed run left on an interface is no obstacle") {
    if (!possible()) return;
    Underlay underlay;
    const TestHost host{AddressPlan{}, HostId{0}, &underlay};
    RouteSocket socket{host.network_namespace()};
    const TcMessages messages{socket.interface_index(TestHost::kInterface)};
    RequestBatch batch;
    batch.add(messages.htb());
    batch.add(messages.clsact());
    REQUIRE(batch.send(socket).empty());
    const Tcal tcal{host.network_namespace(), TestHost::kInterface, false, 1};
    CHECK_FALSE(tcal.lost());
}

TEST_CASE("a path that moves to another access link keeps its counters") {
    if (!possible()) return;
    const auto lines = [](const std::string& one, const std::string& two) {
        return std::vector<std::string>{"a -- s1: " + one, "a -- s2: " + two, "s1 -- b: 1ms",
                                        "s2 -- b: 1ms"};
    };
    PlaneWorld world{opened(), lines("1ms", "9ms")};
    CHECK(world.exchange(world.stream("a", "b", 50)).arrivals.size() == 50);
    for (std::uint32_t version = 2; version < 5; ++version) {
        const bool even = version % 2 == 0;
        world.plane().activate_at(
            world.table(even ? lines("9ms", "1ms") : lines("1ms", "9ms"), version),
            monotonic_now());
        world.await([&] { return world.activated().size() == version; });
        CHECK(world.exchange(world.stream("a", "b", 50)).arrivals.size() == 50);
        CHECK(world.counters(world.flow("a", "b"))->packets == 50ULL * version);
    }
}

TEST_CASE("a TCP flow that fills its path is greedy, UDP at half of it is limited") {
    if (!possible()) return;
    const std::vector<std::string> lines{"a -- s1: 10ms 20Mbps", "s1 -- b: 0ms"};
    const FlowTerms terms{.cap = 20_Mbps, .rtt = 20ms};
    {
        PlaneWorld world{opened(), lines};
        const TcpTransfer transfer{world.host("a"), world.host("b")};
        const auto greedy = [](DemandState state) { return state.is_greedy(); };
        CHECK(greedy(judged(world, world.flow("a", "b"), terms, 2s, greedy)));
    }
    PlaneWorld world{opened(), lines};
    const UdpBlast blast{world.host("a"), world.host("b"), 10_Mbps};
    const auto limited = [](DemandState state) {  // with headers, and rounded up
        return state.is_limited() && state.rate() == Approx(10.4e6).epsilon(0.15);
    };
    const DemandState state = judged(world, world.flow("a", "b"), terms, 3s, limited);
    INFO((state.is_limited() ? state.rate() : -1));
    CHECK(limited(state));
}

TEST_CASE("where the kernel has no BPF, or forbids it, the plane works with filters") {
    if (!possible()) return;
    for (const auto& [error, words] :
         {std::pair{ENOSYS, "built without BPF"}, std::pair{EPERM, "not permitted"}}) {
        const auto said = without_bpf(error, [] {
            PlaneWorld world{opened(), {"a -- s1: 5ms 20Mbps", "s1 -- b: 0ms"}};
            const auto times = world.ping("a", "b", 20, 10ms);
            if (times.size() != 20 || times.front() < 10ms - 150us) return "not shaped";
            world.await([&] { return world.counters(world.flow("a", "b")) != nullptr; });
            if (world.counters(world.flow("a", "b"))->packets != 20) return "not counted";
            // Only filters count like that; the classifier knows who is unreachable by itself.
            const std::string filters = world.host("a").run(
                {"tc", "filter", "show", "dev", TestHost::kInterface, "parent", "fffe:"});
            return filters.find("u32") == std::string::npos ? "no u32 filters" : "works";
        });
        if (!said) {
            WARN("SKIPPED: this kernel has no seccomp filters");
            return;
        }
        CHECK(*said == "works");
        // Filters know no ports: where a machine is a host itself, it is refused in words.
        const auto on_machine = without_bpf(error, [] {
            const auto open = [](PlaneContext context) {
                context.bare_metal = BareMetal{};
                return open_netem_plane(std::move(context));
            };
            const PlaneWorld world{open, {"a -- s1: 5ms", "s1 -- b: 0ms"}};
            return "opened";
        });
        CHECK_THAT(*on_machine, Catch::Contains("threw: ") && Catch::Contains(words));
    }
}

TEST_CASE("without BPF what has a VLAN tag is no host's: it is dropped and counted") {
    if (!possible()) return;
    PlaneWorld world{opened({.without_bpf = true}), {"a -- s1: 5ms", "s1 -- b: 0ms"}};
    const TestHost& a = world.host("a");
    const std::uint64_t before = packets_sent(a);
    for (const std::uint16_t tag : {std::uint16_t{ETH_P_8021Q}, std::uint16_t{ETH_P_8021AD}}) {
        send_frames(a, tag, tagged_ipv4(a, world.host("b")), 3);
    }
    send_frames(a, 0x88b5, "xy", 2);  // shorter than any header
    world.plane().read_counters(monotonic_now());
    CHECK(world.plane().totals().unknown_destination_drops == 8);
    CHECK(packets_sent(a) == before);
    send_frames(a, ETH_P_ARP, std::string(28, '\0'), 4);
    world.plane().read_counters(monotonic_now());
    CHECK(world.plane().totals().unknown_destination_drops == 8);
    CHECK(packets_sent(a) == before + 4);
}

TEST_CASE("without BPF a host whose filters somebody removes sends nothing any more") {
    if (!possible()) return;
    PlaneWorld world{opened({.without_bpf = true}), {"a -- s1: 5ms", "s1 -- b: 0ms"}};
    CHECK(world.ping("a", "b", 1, 10ms).size() == 1);
    world.host("a").links().remove_filters(TestHost::kInterface, kHtb);
    world.await([&] { return world.plane().totals().interfaces_lost == 1; });
    CHECK(world.is_silent("a", "b"));
    world.plane().read_counters(monotonic_now());
    CHECK(world.plane().totals().interfaces_lost == 1);
}

TEST_CASE("without BPF filters choose the class, and flows are found by polling") {
    if (!possible()) return;
    const std::vector<std::string> lines{"a -- s1: 5ms 20Mbps", "s1 -- b: 0ms", "s2 -- c: 0ms"};
    PlaneWorld world{opened({.without_bpf = true}), lines};
    for (const bool v6 : {false, true}) {
        const auto times = world.ping("a", "b", 20, 10ms, v6);
        REQUIRE(times.size() == 20);
        CHECK(times[10] >= 10ms);
        CHECK(times[10] < 11ms);
    }
    world.await([&] { return world.counters(world.flow("a", "b")) != nullptr; });
    CHECK(world.counters(world.flow("a", "b"))->packets == 40);
    CHECK(world.ping("a", "c", 3, 10ms).empty());
    world.plane().read_counters(monotonic_now());
    CHECK(world.plane().totals().unreachable_drops == 3);
    world.plane().cut(world.flow("a", "b").destination);
    CHECK(world.ping("a", "b", 2, 10ms).empty());
    world.plane().connect(world.flow("a", "b").destination);
    CHECK(world.ping("a", "b", 2, 10ms).size() == 2);
}
