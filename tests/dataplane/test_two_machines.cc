// The tun plane with hosts on two machines: what tests/dataplane/test_planes_*.cc ask of one,
// and what the way between them must stand.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "model/draw.hh"
#include "node/dataplane/precise_thread.hh"
#include "node/dataplane/tunnel/datagram.hh"
#include "tests/dataplane/rate_reading.hh"
#include "tests/dataplane/tally.hh"
#include "tests/dataplane/two_machines.hh"

using namespace pleat;
using namespace pleat::literals;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

bool no_hosts_here() {
    static const std::string missing = missing_for_hosts(AttachmentKind::tun_device);
    static Tally tally{"two_machines"};
    return !tally.begin(missing);
}

Duration median(const std::vector<Duration>& sorted) {
    return sorted.at(sorted.size() / 2);
}

Program iperf_server(const TestHost& host) {
    Program server = host.start({"iperf3", "-s", "--forceflush"});
    server.await("Server listening");
    return server;
}

nlohmann::json iperf(const TestHost& client, const std::string& address, int seconds,
                     std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"iperf3", "-J", "-c",
                                       address,  "-t", std::to_string(seconds)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    nlohmann::json result = nlohmann::json::parse(client.run(arguments));
    if (result.contains("error")) throw Failure{"iperf3: " + result["error"].get<std::string>()};
    return result;
}

void send_to(const boost::asio::ip::udp::endpoint& to,
             const std::vector<std::vector<std::uint8_t>>& datagrams) {
    const FileDescriptor socket{
        check("open a socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))};
    for (const auto& one : datagrams) {
        REQUIRE(::sendto(socket.value(), one.data(), one.size(), 0, to.data(),
                         static_cast<socklen_t>(to.size())) == static_cast<ssize_t>(one.size()));
    }
}

// Reads what comes in on the machine's end of the veth pair.
FileDescriptor listen_in() {
    FileDescriptor socket{
        check("open a packet socket",
              ::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_IP)))};
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_IP);
    address.sll_ifindex = static_cast<int>(::if_nametoindex("under0"));
    check("listen in",
          ::bind(socket.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
    return socket;
}

// The UDP payloads that have come to the port.
std::vector<std::vector<std::uint8_t>> heard(int socket, std::uint16_t port) {
    std::vector<std::vector<std::uint8_t>> all;
    std::vector<std::uint8_t> buffer(70'000);
    ssize_t bytes = 0;
    while ((bytes = ::recv(socket, buffer.data(), buffer.size(), 0)) > 0) {
        const std::size_t header = (buffer[0] & 0x0fU) * 4U + 8U;
        const std::uint8_t* const udp = &buffer[header - 8];
        if (buffer[9] != IPPROTO_UDP || (udp[2] << 8 | udp[3]) != port) continue;
        const std::size_t length = static_cast<std::size_t>(udp[4] << 8 | udp[5]) - 8;
        if (header + length > static_cast<std::size_t>(bytes)) continue;
        all.emplace_back(buffer.begin() + static_cast<std::ptrdiff_t>(header),
                         buffer.begin() + static_cast<std::ptrdiff_t>(header + length));
    }
    return all;
}

// One way, as the tunnel itself finds it: what a node tells its plane.
Duration measured_way() {
    TwoMachines world{{"a -- s1: 0ms", "s1 -- x: 0ms"}, {"x"}};
    return *world.plane(0).peers().at(0).round_trip / 2;
}

// By how much longer this machine takes to wake a packet thread that has slept than the 40 us of a
// quiet one, of which a quarter of a millisecond a round trip leaves room for. (A virtual machine
// that sleeps has been seen to take 15 to 100 us.)
Duration slow_waking() {
    const FileDescriptor event{check("make an event", ::eventfd(0, EFD_CLOEXEC))};
    constexpr std::size_t kTimes = 41;
    std::vector<Duration> took;
    std::atomic<Instant> sent{};
    std::atomic<std::size_t> asleep{0};
    std::thread sleeper{[&] {
        make_this_thread_precise();
        while (took.size() < kTimes) {
            asleep = took.size() + 1;
            std::uint64_t count = 0;
            if (::read(event.value(), &count, sizeof count) != sizeof count) break;
            took.push_back(monotonic_now() - sent.load());
        }
        asleep = kTimes + 1;  // nobody waits for a thread that has ended
    }};
    for (std::size_t i = 1; i <= kTimes; ++i) {
        while (asleep < i) std::this_thread::yield();
        std::this_thread::sleep_for(20ms);  // so long that the processor sleeps, too
        sent = monotonic_now();
        const std::uint64_t one = 1;
        if (::write(event.value(), &one, sizeof one) != sizeof one) break;
    }
    sleeper.join();
    std::ranges::sort(took);
    return std::max<Duration>(median(took) - 40us, Duration::zero());
}

}  // namespace

TEST_CASE("two machines: a round trip takes the path's latency, IPv4 and IPv6") {
    if (no_hosts_here()) return;
    const Duration way = measured_way();
    // On either way one packet thread wakes for the packet, and another one for the tunnel's.
    const Duration waking = 4 * slow_waking();
    for (const int milliseconds : {1, 10, 100}) {
        const TwoMachines world{{"a -- s1: " + std::to_string(milliseconds) + "ms", "s1 -- x: 0ms"},
                                {"x"},
                                {.underlay_latency = way}};
        for (const bool v6 : {false, true}) {
            const auto times = world.ping("a", "x", 60, 3ms, v6);
            REQUIRE(times.size() == 60);
            CHECK(times.front() >= 2 * (milliseconds * 1ms - way) - 150us);
            const Duration error = median(times) - 2 * milliseconds * 1ms;
            INFO("way " << way.count() << " ns, " << milliseconds << " ms, error " << error.count()
                        << " ns, slow to wake " << waking.count() << " ns");
            CHECK(std::chrono::abs(error) < 250us + waking);
        }
    }
}

TEST_CASE("two machines: the real latency is taken off the emulated one") {
    if (no_hosts_here()) return;
    TwoMachines world{{"a -- s1: 10ms", "s1 -- x: 0ms"}, {"x"}, {.underlay_latency = 4ms}};
    // The way here takes no 4 ms, so the packets come too early by that.
    const Duration way = *world.plane(0).peers().at(0).round_trip;
    const auto times = world.ping("a", "x", 40, 3ms);
    REQUIRE(times.size() == 40);
    CHECK(times.front() >= 12ms - 150us);
    CHECK(median(times) < 12ms + way + 250us + 4 * slow_waking());
    for (const std::size_t machine : {0UL, 1UL}) {
        world.plane(machine).set_underlay_latency(static_cast<MachineNumber>(2 - machine), 0ms);
    }
    CHECK(world.ping("a", "x", 3, 10ms).at(0) >= 20ms - 150us);
}

TEST_CASE("two machines: a TCP flow gets the path's bandwidth to one per cent") {
    if (no_hosts_here()) return;
    TwoMachines world{{"a -- s1: 5ms 100Mbps", "s1 -- x: 5ms 100Mbps"}, {"x"}};
    const FlowKey flow = world.flow("a", "x");
    Program server = iperf_server(world.host("x"));
    Program client = world.host("a").start(
        {"iperf3", "-c", world.host("x").address(), "-t", "20", "-C", "cubic"});
    world.await([&] { return world.counters(flow) != nullptr; });
    const auto counters = world.counters(flow);
    world.pass(1s);  // slow start
    bool filled = false;
    for (int i = 0; i < 12 && !filled; ++i) {
        const RateReading reading{world.plane(0), counters};
        world.pass(500ms);
        const auto [rate, full] = reading.result();
        filled = full;
        CHECK(rate < 1.01 * 100e6);
        if (filled) CHECK(rate == Approx(100e6).epsilon(0.01));
    }
    REQUIRE(filled);
}

TEST_CASE("two machines: what a receiver gets is what the path lets through") {
    if (no_hosts_here()) return;
    TwoMachines world{{"a -- s1: 5ms 50Mbps", "s1 -- x: 5ms 100Mbps"}, {"x"}};
    Program server = iperf_server(world.host("x"));
    const auto result =
        iperf(world.host("a"), world.host("x").address(), 2, {"-C", "cubic", "-O", "1"});
    const double goodput = result["end"]["sum_received"]["bits_per_second"];
    const double exact = 50e6 * 1448.0 / 1514.0;
    CHECK(goodput < exact * 1.02);
    // What the link owes at the end it may owe for the two seconds that were looked at.
    const std::chrono::duration<double> owed = world.plane(0).owed();
    CHECK(goodput > exact * (0.98 - owed / 2s));
}

TEST_CASE("two machines: a downlink is kept to by flows of both") {
    if (no_hosts_here()) return;
    TwoMachines world{{"a -- s1: 1ms", "c -- s1: 1ms", "s1 -> x: 1ms 20Mbps", "x -> s1: 1ms"},
                      {"x", "c"}};
    const auto send = [&](const std::string& from, const char* port) {
        return world.host(from).start({"iperf3", "-J", "-u", "-b", "15M", "-l", "1000", "-c",
                                       world.host("x").address(), "-p", port, "-t", "4"});
    };
    std::vector<Program> servers;
    for (const char* const port : {"5201", "5202"}) {
        servers.push_back(world.host("x").start({"iperf3", "-s", "--forceflush", "-p", port}));
        servers.back().await("Server listening");
    }
    Program far = send("a", "5201");
    Program near = send("c", "5202");
    double bits = 0;
    for (Program* const one : {&far, &near}) {
        const auto sum = nlohmann::json::parse(one->output())["end"]["sum"];
        const double arrived = sum["packets"].get<double>() - sum["lost_packets"].get<double>();
        bits += arrived * 8 * (1000 + 28 + 14) / sum["seconds"].get<double>();
    }
    // They do not begin and end together, and what waits at the end arrives afterwards.
    CHECK(bits < 20e6 * 1.05);
    CHECK(bits > 20e6 * 0.9);
    CHECK(world.plane(0).totals().queue_drops == 0);
    CHECK(world.plane(1).totals().queue_drops > 0);
}

TEST_CASE("two machines: as many packets are lost as asked, by the same draws as on one") {
    if (no_hosts_here()) return;
    TwoMachines world{{"a -> s1: 1ms loss=20%", "s1 -- x: 1ms", "s1 -> a: 1ms"}, {"x"}};
    const auto times = world.ping("a", "x", 500, 1ms);
    // 400 expected, standard deviation 9.
    CHECK(times.size() > 360);
    CHECK(times.size() < 440);
    const auto counters = world.counters(world.flow("a", "x"));
    CHECK(counters->loss_drops == 500 - times.size());
    // Draws are a function of seed, path, protocol and count.
    const DrawStream draws{1, world.flow("a", "x"), IPPROTO_ICMP};
    std::size_t lost = 0;
    for (std::uint64_t i = 0; i < 500; ++i) lost += draws.happens(DrawPurpose::loss, i, 0.2);
    CHECK(counters->loss_drops == lost);
}

TEST_CASE("two machines: TCP without a limit is whole and quick, plain and encrypted") {
    if (no_hosts_here()) return;
    for (const bool encrypt : {false, true}) {
        TwoMachines world{{"a -- s1: 0ms", "s1 -- x: 0ms"}, {"x"}, {.encrypt = encrypt}};
        Program server = iperf_server(world.host("x"));
        const auto result = iperf(world.host("a"), world.host("x").address(), 1);
        // Loose: what is reached is measured by bench_tunnel.
        CHECK(result["end"]["sum_received"]["bits_per_second"].get<double>() > 3e8);
        for (const std::size_t machine : {0UL, 1UL}) {
            const TunnelTotals totals = world.plane(machine).totals().tunnel;
            CHECK(totals.packets_in > 0);
            CHECK(totals.malformed_drops + totals.forged_drops + totals.replayed_drops +
                      totals.late_drops + totals.misdirected_drops ==
                  0);
            CHECK(world.plane(machine).totals().malformed_drops == 0);
        }
    }
}

TEST_CASE("two machines: a way that takes one datagram at a time carries all the same") {
    if (no_hosts_here()) return;
    TwoMachines world{{"a -- s1: 0ms", "s1 -- x: 0ms"}, {"x"}, {.mtu = 1400, .segment = false}};
    CHECK(world.plane(0).peers().at(0).datagram_bytes == 1372);
    Program server = iperf_server(world.host("x"));
    const auto result = iperf(world.host("a"), world.host("x").address(), 1);
    CHECK(result["end"]["sum_received"]["bits_per_second"].get<double>() > 1e8);
    CHECK(world.plane(1).totals().tunnel.forged_drops == 0);
}

TEST_CASE("two machines: large datagrams arrive whole") {
    if (no_hosts_here()) return;
    const TwoMachines world{{"a -- s1: 1ms 100Mbps", "s1 -- x: 1ms"}, {"x"}};
    for (const auto& address : {world.host("x").address(), world.host("x").address6()}) {
        const std::string text =
            world.host("a").run({"ping", "-n", "-c", "5", "-i", "0.05", "-s", "20000", address});
        CHECK_THAT(text, Catch::Contains("5 received"));
    }
}

TEST_CASE("two machines: what is forged, cut or repeated is dropped and counted") {
    if (no_hosts_here()) return;
    TwoMachines world{{"a -- s1: 1ms", "s1 -- x: 1ms"}, {"x"}};
    FileDescriptor ear;
    world.inside(1, [&ear] { ear = listen_in(); });
    CHECK(world.ping("a", "x", 20, 5ms).size() == 20);
    const auto port = world.endpoint(1).port();
    std::vector<std::vector<std::uint8_t>> data;
    for (auto& one : heard(ear.value(), port)) {
        if (read_header(one) && read_header(one)->kind == DatagramKind::data) {
            data.push_back(std::move(one));
        }
    }
    REQUIRE(data.size() == 20);

    const std::uint64_t delivered = world.plane(1).totals().packets_out;
    auto forged = data;
    for (auto& one : forged) {
        one[15] += 100;  // a counter that was not used yet
    }
    auto cut = data;
    for (auto& one : cut) one.resize(kDatagramOverhead);
    std::vector<std::vector<std::uint8_t>> stranger(5, data.at(0));
    for (auto& one : stranger) one[5] = 77;  // a machine that there is not
    std::vector<std::vector<std::uint8_t>> noise(5, std::vector<std::uint8_t>(300, 0x5a));
    world.inside(0, [&] {
        for (const auto* const some : {&data, &forged, &cut, &stranger, &noise}) {
            send_to(world.endpoint(1), *some);
        }
    });
    world.await([&] { return world.plane(1).totals().tunnel.malformed_drops == 25; });
    const TunnelTotals totals = world.plane(1).totals().tunnel;
    CHECK(totals.replayed_drops == 20);
    CHECK(totals.forged_drops == 20);
    CHECK(totals.unknown_machine_drops == 5);
    CHECK(world.plane(1).totals().packets_out == delivered);
    CHECK(world.ping("a", "x", 5, 5ms).size() == 5);
}

TEST_CASE("two machines with different keys are not ready, and nothing passes") {
    if (no_hosts_here()) return;
    TwoMachines world{{"a -- s1: 1ms", "s1 -- x: 1ms"}, {"x"}, {.wrong_key = true}};
    CHECK(world.ping("a", "x", 3, 10ms).empty());
    CHECK_FALSE(world.plane(0).peers().at(0).ready);
    CHECK_FALSE(world.plane(1).peers().at(0).ready);
    CHECK(world.plane(0).totals().tunnel.not_ready_drops == 3);
    CHECK(world.plane(1).totals().tunnel.forged_drops > 0);
    CHECK(world.plane(1).totals().packets_out == 0);
}

TEST_CASE("two machines: the way is measured, without what waking a thread takes") {
    if (no_hosts_here()) return;
    TwoMachines world{{"a -- s1: 1ms", "s1 -- x: 1ms"}, {"x"}};
    for (const std::size_t machine : {0UL, 1UL}) {
        const TunnelPeerState state = world.plane(machine).peers().at(0);
        CHECK(state.ready);
        CHECK(state.datagram_bytes == 1472);
        REQUIRE(state.round_trip.has_value());
        // A veth pair; threads are woken in some 50 us each, and later beside other work.
        CHECK(*state.round_trip > 0ns);
        CHECK(*state.round_trip < 60us);
    }
}

TEST_CASE("two machines with silent hosts cost next to nothing") {
    if (no_hosts_here()) return;
    std::vector<std::string> lines;
    std::vector<std::string> second;
    for (int i = 0; i < 20; ++i) {
        lines.push_back("h" + std::to_string(i) + " -- s1: 1ms");
        if (i % 2 == 0) second.push_back("h" + std::to_string(i));
    }
    TwoMachines world{lines, second};
    // Interfaces that come up talk: IPv6 looks for others with its address, and for routers.
    std::uint64_t heard = 0;
    Instant silent_since = monotonic_now();
    world.await([&] {
        const std::uint64_t packets =
            world.plane(0).totals().packets_in + world.plane(1).totals().packets_in;
        if (std::exchange(heard, packets) != packets) silent_since = monotonic_now();
        return monotonic_now() - silent_since > 1500ms;
    });
    const std::clock_t before = std::clock();
    world.pass(6s);  // with one round of hellos
    CHECK(std::clock() - before < CLOCKS_PER_SEC / 50);
}
