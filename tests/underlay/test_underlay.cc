#include <algorithm>
#include <array>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.hh"
#include "node/netlink/in_namespace.hh"
#include "node/underlay/underlay.hh"
#include "tests/underlay/departure.hh"
#include "tests/underlay/plugged_hosts.hh"
#include "tests/underlay/ttl.hh"

using namespace std::chrono_literals;

namespace pleat {

using testing::address_of;
using testing::any;
using testing::can_make_namespaces;
using testing::interface_of;
using testing::kFirstAddress;
using testing::make_namespace;
using testing::run_in;
using testing::socket_in;

namespace {

// Hosts 0, 1, … in one underlay.
struct World {
    explicit World(
        std::uint32_t count, const std::function<void(keeper::Interface&)>& change = [](auto&) {}) {
        for (std::uint32_t host = 0; host < count; ++host) {
            hosts.push_back(make_namespace());
            REQUIRE(hosts.back().open());
            keeper::Interface interface = interface_of(host);
            change(interface);
            underlay.plug(interface, hosts.back().value());
        }
    }

    Underlay underlay;
    std::vector<FileDescriptor> hosts;
};

std::size_t send_by_tcp(const World& world, std::uint32_t from, std::uint32_t to, int family,
                        std::size_t size) {
    return testing::send_by_tcp({from, world.hosts[from].value()}, {to, world.hosts[to].value()},
                                family, size);
}

unsigned index_in(int network_namespace, const char* name) {
    unsigned index = 0;
    in_network_namespace(network_namespace, [&] { index = ::if_nametoindex(name); });
    return index;
}

}  // namespace

TEST_CASE("hosts of an underlay reach each other by IPv4 and IPv6") {
    if (!can_make_namespaces()) return;
    const World world{2};
    CHECK(run_in(world.hosts[0].value(), {"ping", "-q", "-c1", "-W2", "10.0.0.2"}) == 0);
    CHECK(run_in(world.hosts[1].value(), {"ping", "-q", "-c1", "-W2", "10.0.0.1"}) == 0);
    // A worker of the kernel puts an IPv6 address in force a moment after it was set.
    CHECK(run_in(world.hosts[0].value(), {"ping", "-q", "-c1", "-i.2", "-w5", "fd00::2"}) == 0);
    // Full frames, which are not to be fragmented.
    CHECK(run_in(world.hosts[0].value(),
                 {"ping", "-q", "-c1", "-W2", "-Mdo", "-s1472", "10.0.0.2"}) == 0);
    constexpr std::size_t kSize = 20'000'000;
    CHECK(send_by_tcp(world, 0, 1, AF_INET, kSize) == kSize);
    CHECK(send_by_tcp(world, 1, 0, AF_INET6, kSize) == kSize);
}

TEST_CASE("what is for no host goes nowhere, and the underlay itself can't be reached") {
    if (!can_make_namespaces()) return;
    const World world{2, [](keeper::Interface& interface) { interface.default_route = true; }};
    const int a = world.hosts[0].value();
    CHECK(run_in(a, {"ping", "-q", "-c1", "-W1", "10.0.0.3"}) != 0);
    CHECK(run_in(a, {"ping", "-q", "-c1", "-W1", "192.0.2.1"}) != 0);
    CHECK(run_in(a, {"ping", "-q", "-b", "-c1", "-W1", "10.255.255.255"}) != 0);
    CHECK(run_in(a, {"ping", "-q", "-c1", "-W1", "fd00::9"}) != 0);
    bool configured = false;
    in_network_namespace(world.underlay.network_namespace(), [&configured] {
        const FileDescriptor socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        sockaddr_in unknown{};
        unknown.sin_family = AF_INET;
        unknown.sin_port = htons(9);
        unknown.sin_addr.s_addr = htonl(kFirstAddress);
        socklen_t size = sizeof unknown;
        auto* const address = reinterpret_cast<sockaddr*>(&unknown);
        // The address from which it would send.
        configured = ::connect(socket.value(), address, size) == 0 &&
                     ::getsockname(socket.value(), address, &size) == 0 &&
                     unknown.sin_addr.s_addr != 0;
    });
    CHECK_FALSE(configured);
}

TEST_CASE("what is for no host goes to the outside host when there is one") {
    if (!can_make_namespaces()) return;
    const World world{2, [](keeper::Interface& interface) {
                          interface.outside = interface.host == 1;
                          interface.default_route = interface.host == 0;
                      }};
    // The outside host has the address on its loopback; the answer finds its way back.
    REQUIRE(run_in(world.hosts[1].value(), {"ip", "address", "add", "192.0.2.1/32", "dev", "lo"}) ==
            0);
    CHECK(run_in(world.hosts[0].value(), {"ping", "-q", "-c1", "-W2", "192.0.2.1"}) == 0);
}

// Whether packets keep their TTL here; says so when not.
bool keeps_ttl(const Underlay& underlay) {
    if (!underlay.keeps_ttl()) WARN("SKIPPED, hosts are joined by routing here");
    return underlay.keeps_ttl();
}

TEST_CASE("no TTL changes on the way, and what may make one hop arrives") {
    if (!can_make_namespaces()) return;
    const World world{2};
    if (!keeps_ttl(world.underlay)) return;
    for (const char* const address : {"10.0.0.2", "fd00::2"}) {
        INFO(address);
        const testing::Way way{world.hosts[0].value(), world.hosts[1].value(), address};
        CHECK(testing::ttl_on_arrival(way, 1) == 1);
        CHECK(testing::ttl_on_arrival(way, 64) == 64);
        // In fragments.
        CHECK(testing::ttl_on_arrival(way, 1, 20000) == 1);
        CHECK(testing::answer_to(way, 1) == address);
    }
}

TEST_CASE("what comes through the underlay is counted at the host's interface") {
    if (!can_make_namespaces()) return;
    const World world{2};
    CHECK(run_in(world.hosts[0].value(), {"ping", "-q", "-c3", "-i.2", "-W2", "10.0.0.2"}) == 0);
    CHECK(run_in(world.hosts[1].value(),
                 {"bash", "-c",
                  "ip -s link show pleat0 | grep -A1 RX: | tail -n 1 | awk '{ exit $2 < 3 }'"}) ==
          0);
}

TEST_CASE("what is for no host goes to the outside host with the TTL that it left with") {
    if (!can_make_namespaces()) return;
    const World world{2, [](keeper::Interface& interface) {
                          interface.outside = interface.host == 1;
                          interface.default_route = interface.host == 0;
                      }};
    if (!keeps_ttl(world.underlay)) return;
    REQUIRE(run_in(world.hosts[1].value(), {"ip", "address", "add", "192.0.2.1/32", "dev", "lo"}) ==
            0);
    CHECK(testing::ttl_on_arrival({world.hosts[0].value(), world.hosts[1].value(), "192.0.2.1"},
                                  1) == 1);
    // What the outside host itself sends to nobody does not come back to it.
    CHECK(run_in(world.hosts[1].value(), {"ip", "route", "add", "192.0.2.0/24", "dev", "pleat0"}) ==
          0);
    CHECK(run_in(world.hosts[1].value(), {"ping", "-q", "-c1", "-W1", "192.0.2.7"}) != 0);
}

// As everywhere where the kernel takes no BPF programs.
TEST_CASE("a host whose port has no program is joined by routing") {
    if (!can_make_namespaces()) return;
    const World world{2};
    if (!keeps_ttl(world.underlay)) return;
    for (const char* const port : {"port0", "port1"}) {
        REQUIRE(run_in(world.underlay.network_namespace(),
                       {"tc", "qdisc", "del", "dev", port, "clsact"}) == 0);
    }
    const testing::Way way{world.hosts[0].value(), world.hosts[1].value(), "10.0.0.2"};
    CHECK(testing::ttl_on_arrival(way, 64) == 63);
    CHECK(testing::ttl_on_arrival(way, 1) == std::nullopt);
}

// For the numbers in docs/design/underlay.md.
TEST_CASE("one TCP flow past the router and through it", "[.measure]") {
    if (!can_make_namespaces()) return;
    const World world{2};
    if (!keeps_ttl(world.underlay)) return;
    constexpr std::size_t kSize = 100'000'000;
    const auto rate = [&] {
        const Instant begin = monotonic_now();
        CHECK(send_by_tcp(world, 0, 1, AF_INET, kSize) == kSize);
        const std::chrono::duration<double> time = monotonic_now() - begin;
        return 8e-9 * kSize / time.count();
    };
    rate();
    const Underlay& underlay = world.underlay;
    for (int round = 0; round < 5; ++round) {
        for (const std::uint32_t host : {0U, 1U}) underlay.lead_to(interface_of(host));
        const double past = rate();
        for (const char* const port : {"port0", "port1"}) {
            REQUIRE(run_in(underlay.network_namespace(),
                           {"tc", "qdisc", "del", "dev", port, "clsact"}) == 0);
        }
        const double through = rate();
        std::cout << "past the router " << past << " Gbit/s, through it " << through
                  << " Gbit/s, ratio " << past / through << '\n';
    }
}

// A machine has one table of neighbours for all its namespaces, of 1024 entries by default:
// on a bridge, pairs beyond that fail.
TEST_CASE("each of fifty hosts can speak to each other one") {
    if (!can_make_namespaces()) return;
    constexpr std::uint32_t kHosts = 50;
    const World world{kHosts};
    std::vector<FileDescriptor> sockets;
    for (std::uint32_t host = 0; host < kHosts; ++host) {
        sockets.push_back(socket_in(world.hosts[host].value(), AF_INET, SOCK_DGRAM));
        const sockaddr_in6 own = address_of(host, 4000, AF_INET);
        REQUIRE(::bind(sockets.back().value(), any(own), sizeof own) == 0);
    }
    for (const FileDescriptor& socket : sockets) {
        for (std::uint32_t to = 0; to < kHosts; ++to) {
            const sockaddr_in6 address = address_of(to, 4000, AF_INET);
            REQUIRE(::sendto(socket.value(), "x", 1, 0, any(address), sizeof address) == 1);
        }
    }
    for (const FileDescriptor& socket : sockets) {
        std::uint32_t received = 0;
        pollfd wait{socket.value(), POLLIN, 0};
        while (received < kHosts && ::poll(&wait, 1, 2000) == 1) {
            std::array<char, 4> byte{};
            if (::recv(socket.value(), byte.data(), byte.size(), 0) == 1) ++received;
        }
        CHECK(received == kHosts);
    }
}

TEST_CASE("an underlay is gone with its last descriptor, and a host's interface with it") {
    if (!can_make_namespaces()) return;
    FileDescriptor host;
    FileDescriptor kept;
    std::optional<Departure> departure;
    {
        World world{2};
        host = std::move(world.hosts[0]);
        kept = FileDescriptor{::fcntl(world.underlay.network_namespace(), F_DUPFD_CLOEXEC, 0)};
        departure.emplace(host.value());
    }
    // The underlay's maker is gone; a keeper's descriptor keeps it.
    CHECK(index_in(host.value(), "pleat0") != 0);
    {
        const Underlay adopted{std::move(kept)};
        const FileDescriptor fresh = make_namespace();
        adopted.plug(interface_of(7), fresh.value());
        CHECK(run_in(fresh.value(), {"ping", "-q", "-c1", "-W2", "10.0.0.1"}) == 0);
    }
    CHECK(departure->seen_within(10s));
    CHECK(index_in(host.value(), "pleat0") == 0);
}

TEST_CASE("who goes on with an underlay finds its forwarding at work, and can add hosts to it") {
    if (!can_make_namespaces()) return;
    std::optional<World> world{2};
    if (!keeps_ttl(world->underlay)) return;
    const std::vector<FileDescriptor> hosts = std::move(world->hosts);
    FileDescriptor kept{::fcntl(world->underlay.network_namespace(), F_DUPFD_CLOEXEC, 0)};
    std::map<std::string, FileDescriptor> left;
    for (const auto& [name, descriptor] : world->underlay.leaves()) {
        left[name] = FileDescriptor{::fcntl(descriptor, F_DUPFD_CLOEXEC, 0)};
    }
    CHECK(left.size() == 2);
    const auto ttl_between = [&](int from, int to, const char* address) {
        return testing::ttl_on_arrival({from, to, address}, 1);
    };
    world.reset();
    // Nobody is there.
    CHECK(ttl_between(hosts[1].value(), hosts[0].value(), "10.0.0.1") == 1);
    const Underlay underlay{std::move(kept), std::move(left)};
    CHECK(underlay.goes_on());
    CHECK(underlay.keeps_ttl());
    CHECK(underlay.leaves().size() == 2);
    CHECK(ttl_between(hosts[0].value(), hosts[1].value(), "10.0.0.2") == 1);
    const FileDescriptor fresh = make_namespace();
    underlay.plug(interface_of(7), fresh.value());
    CHECK(ttl_between(hosts[0].value(), fresh.value(), "10.0.0.8") == 1);
    CHECK(ttl_between(fresh.value(), hosts[1].value(), "10.0.0.2") == 1);
}

TEST_CASE("a host that goes leaves no port and no route in the underlay") {
    if (!can_make_namespaces()) return;
    World world{2};
    const Departure departure{world.underlay.network_namespace()};
    CHECK(index_in(world.underlay.network_namespace(), "port0") != 0);
    world.hosts[0].close();
    REQUIRE(departure.seen_within(10s));
    CHECK(index_in(world.underlay.network_namespace(), "port0") == 0);
    // Its number and address are free again.
    world.hosts[0] = make_namespace();
    world.underlay.plug(interface_of(0), world.hosts[0].value());
    CHECK(run_in(world.hosts[1].value(), {"ping", "-q", "-c1", "-W2", "10.0.0.1"}) == 0);
    if (!keeps_ttl(world.underlay)) return;
    CHECK(testing::ttl_on_arrival({world.hosts[1].value(), world.hosts[0].value(), "10.0.0.1"},
                                  1) == 1);
}

TEST_CASE("fifteen hundred hosts plug in") {
    if (!can_make_namespaces()) return;
    constexpr std::uint32_t kHosts = 1500;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, kHosts + 200);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < kHosts + 200) {
        WARN("SKIPPED: at most " << limit.rlim_max << " descriptors");
        return;
    }
    std::vector<FileDescriptor> hosts;
    for (std::uint32_t host = 0; host < kHosts; ++host) {
        hosts.push_back(make_namespace());
        REQUIRE(hosts.back().open());
    }
    const Underlay underlay;
    const Instant begin = monotonic_now();
    for (std::uint32_t host = 0; host < kHosts; ++host) {
        underlay.plug(interface_of(host), hosts[host].value());
    }
    const Duration each = (monotonic_now() - begin) / kHosts;
    std::cout << "1500 hosts plugged in, "
              << std::chrono::duration_cast<std::chrono::microseconds>(each).count()
              << " us each\n";
    CHECK(run_in(hosts[0].value(), {"ping", "-q", "-c1", "-W2", "10.0.5.220"}) == 0);
    CHECK(run_in(hosts[kHosts - 1].value(), {"ping", "-q", "-c1", "-W2", "10.0.0.1"}) == 0);
}

}  // namespace pleat
