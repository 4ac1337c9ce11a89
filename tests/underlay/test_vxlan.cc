// The way between the underlays of machines: machines are network namespaces with a road between
// them: a bridge with a veth pair to each.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <net/if.h>

#include "base/error.hh"
#include "node/dataplane/tunnel/settings.hh"
#include "node/netlink/in_namespace.hh"
#include "node/underlay/underlay.hh"
#include "node/underlay/vxlan.hh"
#include "tests/underlay/departure.hh"
#include "tests/underlay/plugged_hosts.hh"
#include "tests/underlay/ttl.hh"

using namespace std::chrono_literals;

namespace pleat {

using namespace testing;

namespace {

bool can_make_machines() {
    if (!can_make_namespaces()) return false;
    const std::string missing = missing_for_vxlan();
    if (!missing.empty()) WARN("SKIPPED, there is no VXLAN here: " << missing);
    return missing.empty();
}

// Machines 0, 1, … with two hosts each: those of machine i are 2 i and 2 i + 1.
class Machines {
  public:
    struct Options {
        int mtu = 1500;  // of the road
        bool ipv6 = false;
        bool outside = false;  // the last host is that
    };

    explicit Machines(std::size_t count) : Machines{count, Options{}} {}

    Machines(std::size_t count, Options options) : options_{options} {
        road_ = make_namespace();
        run(road_.value(), {"ip", "link", "add", "name", "road", "type", "bridge"});
        run(road_.value(), {"ip", "link", "set", "dev", "road", "up", "mtu", mtu()});
        for (std::size_t i = 0; i < count; ++i) add_machine(i);
        for (std::size_t i = 0; i < count; ++i) reach(i);
    }

    int host(std::uint32_t number) const { return hosts_.at(number).value(); }

    PluggedHost plugged(std::uint32_t number) const { return {number, host(number)}; }

    int machine(std::size_t i) const { return machines_.at(i).network_namespace.value(); }

    const Underlay& underlay(std::size_t i) const { return *machines_.at(i).underlay; }

    std::uint32_t network(std::size_t i) const { return machines_.at(i).network; }

    boost::asio::ip::udp::endpoint endpoint(std::size_t i) const {
        return machines_.at(i).endpoint;
    }

    void end_underlay(std::size_t i) { machines_.at(i).underlay.reset(); }

    FileDescriptor take_host(std::uint32_t number) { return std::move(hosts_.at(number)); }

  private:
    struct Machine {
        FileDescriptor network_namespace;
        std::unique_ptr<Underlay> underlay;
        FileDescriptor reserved;
        std::uint32_t network = 0;
        boost::asio::ip::udp::endpoint endpoint;
    };

    static void run(int network_namespace, const std::vector<std::string>& arguments) {
        INFO(arguments[2] << " " << arguments[3]);
        REQUIRE(run_in(network_namespace, arguments) == 0);
    }

    std::string mtu() const { return std::to_string(options_.mtu); }

    void add_machine(std::size_t i) {
        Machine& machine = machines_.emplace_back();
        machine.network_namespace = make_namespace();
        const int inside = machine.network_namespace.value();
        const std::string port = fmt::format("port{}", i);
        const std::string there = fmt::format("/proc/{}/fd/{}", ::getpid(), inside);
        run(road_.value(), {"ip", "link", "add", "name", port, "mtu", mtu(), "type", "veth", "peer",
                            "name", "eth0", "mtu", mtu()});
        run(road_.value(), {"ip", "link", "set", "dev", "eth0", "netns", there});
        run(road_.value(), {"ip", "link", "set", "dev", port, "master", "road", "up"});
        const std::string address =
            options_.ipv6 ? fmt::format("fd99::{}", i + 1) : fmt::format("198.51.100.{}", i + 1);
        run(inside, {"ip", "address", "add", address + (options_.ipv6 ? "/64" : "/24"), "dev",
                     "eth0", options_.ipv6 ? "nodad" : "noprefixroute"});
        run(inside, {"ip", "link", "set", "dev", "eth0", "up"});
        if (!options_.ipv6) {
            run(inside, {"ip", "route", "add", "198.51.100.0/24", "dev", "eth0"});
        }
        in_network_namespace(inside, [&] {
            machine.underlay = std::make_unique<Underlay>();
            machine.reserved = open_tunnel_socket({boost::asio::ip::make_address(address), 0});
        });
        machine.endpoint = tunnel_endpoint(machine.reserved);
        machine.network = drawn_vxlan_network();
        for (std::uint32_t each = 0; each < 2; ++each) {
            const auto number = static_cast<std::uint32_t>(hosts_.size());
            hosts_.push_back(make_namespace());
            machine.underlay->plug(interface_to(number), hosts_.back().value());
        }
    }

    keeper::Interface interface_to(std::uint32_t number) const {
        keeper::Interface interface = interface_of(number);
        interface.default_route = options_.outside;
        interface.outside = options_.outside && number == 3;
        return interface;
    }

    void reach(std::size_t i) {
        VxlanSettings settings{.run = "test",
                               .machine = static_cast<std::uint16_t>(i),
                               .reserved = std::move(machines_[i].reserved),
                               .network = machines_[i].network,
                               .peers = {}};
        for (std::size_t j = 0; j < machines_.size(); ++j) {
            if (i == j) continue;
            settings.peers.push_back({.machine = static_cast<std::uint16_t>(j),
                                      .name = fmt::format("m{}", j),
                                      .endpoint = machines_[j].endpoint,
                                      .network = machines_[j].network,
                                      .hosts = {}});
            for (const std::size_t number : {2 * j, 2 * j + 1}) {
                settings.peers.back().hosts.push_back(
                    interface_to(static_cast<std::uint32_t>(number)));
            }
        }
        in_network_namespace(machine(i),
                             [&] { machines_[i].underlay->reach(std::move(settings)); });
    }

    Options options_;
    FileDescriptor road_;
    std::vector<Machine> machines_;
    std::vector<FileDescriptor> hosts_;
};

bool pings(int from, const std::string& to, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"ping", "-q", "-c1", "-i.2", "-w3"};
    words.insert(words.end(), more.begin(), more.end());
    words.push_back(to);
    return run_in(from, words) == 0;
}

}  // namespace

TEST_CASE("hosts of three machines reach each other, over IPv4 and IPv6 roads") {
    if (!can_make_machines()) return;
    for (const bool ipv6 : {false, true}) {
        INFO("road of IPv" << (ipv6 ? 6 : 4));
        // Linux cuts VXLAN over IPv4 where it must, over IPv6 it does not.
        const Machines machines{
            3, {.mtu = static_cast<int>(ipv6 ? vxlan_whole(true) : 1500), .ipv6 = ipv6}};
        for (const std::uint32_t from : {0U, 2U, 5U}) {
            for (std::uint32_t to = 0; to < 6; ++to) {
                if (from == to) continue;
                INFO(from << " to " << to);
                CHECK(pings(machines.host(from), fmt::format("10.0.0.{}", to + 1)));
            }
        }
        CHECK(pings(machines.host(0), "fd00::5"));
        // Full frames, which are not to be fragmented, though the road carries no more itself.
        CHECK(pings(machines.host(0), "10.0.0.5", {"-Mdo", "-s1472"}));
        constexpr std::size_t kSize = 20'000'000;
        CHECK(send_by_tcp(machines.plugged(0), machines.plugged(2), AF_INET, kSize) == kSize);
        CHECK(send_by_tcp(machines.plugged(3), machines.plugged(0), AF_INET6, kSize) == kSize);
    }
}

TEST_CASE("no TTL changes between machines, and each host is one hop away") {
    if (!can_make_machines()) return;
    const Machines machines{2};
    for (const char* const address : {"10.0.0.3", "fd00::3"}) {
        INFO(address);
        const Way way{machines.host(0), machines.host(2), address};
        CHECK(ttl_on_arrival(way, 1) == 1);
        CHECK(ttl_on_arrival(way, 64) == 64);
        CHECK(ttl_on_arrival(way, 1, 20000) == 1);
        CHECK(answer_to(way, 1) == address);
    }
}

TEST_CASE("the outside host of another machine gets what is for no host") {
    if (!can_make_machines()) return;
    const Machines machines{2, {.outside = true}};
    REQUIRE(run_in(machines.host(3), {"ip", "address", "add", "192.0.2.1/32", "dev", "lo"}) == 0);
    CHECK(pings(machines.host(0), "192.0.2.1"));
    CHECK(pings(machines.host(2), "192.0.2.1"));
}

TEST_CASE("what is for no host of the machine goes nowhere, and the device is not the machine's") {
    if (!can_make_machines()) return;
    const Machines machines{2};
    CHECK_FALSE(pings(machines.host(0), "10.0.0.9", {"-W1", "-w1"}));
    for (std::size_t i = 0; i < 2; ++i) {
        unsigned index = 0;
        in_network_namespace(machines.machine(i), [&] { index = ::if_nametoindex("pleat-vxlan"); });
        CHECK(index == 0);
        CHECK(run_in(machines.underlay(i).network_namespace(),
                     {"bash", "-c", "ip link show pleat-vxlan | grep -q 'alias pleat test'"}) == 0);
    }
}

TEST_CASE("two runs on the same machines are apart") {
    if (!can_make_machines()) return;
    // The second one has the same addresses: in the same machines it would be its own underlays'.
    const Machines one{2};
    const Machines other{2};
    CHECK(one.network(0) != one.network(1));
    CHECK(one.network(0) != other.network(0));
    CHECK(pings(one.host(0), "10.0.0.3"));
    CHECK(pings(other.host(0), "10.0.0.3"));
}

TEST_CASE("what comes from a stranger, with another VNI, or for a third machine, is dropped") {
    if (!can_make_machines()) return;
    const bool ipv6 = GENERATE(false, true);
    const Machines machines{2, {.ipv6 = ipv6}};
    const std::string of_machine = machines.endpoint(0).address().to_string();
    const std::string of_stranger = ipv6 ? "fd99::77" : "198.51.100.77";
    REQUIRE(
        run_in(machines.machine(0), {"ip", "address", "add", of_stranger + (ipv6 ? "/64" : "/24"),
                                     "dev", "eth0", ipv6 ? "nodad" : "noprefixroute"}) == 0);
    // Who knows address and port of machine 1, and mostly the VNI.
    const auto send_from = [&](const std::string& local, std::uint32_t network, std::uint32_t to,
                               const std::string& port) {
        const std::string peer = machines.endpoint(1).address().to_string();
        const int inside = machines.machine(0);
        const std::string script = fmt::format(
            "ip link add stranger address 02:aa:00:00:00:01 type vxlan id {} local {} remote {} "
            "dstport {} srcport 40000 40001 && ip link set stranger up && ip address add "
            "10.0.0.100/24 dev "
            "stranger && ip neighbour add 10.0.0.{} lladdr 02:71:00:00:00:01 dev stranger nud "
            "permanent",
            network, local, peer, port, to + 1);
        REQUIRE(run_in(inside, {"bash", "-c", script}) == 0);
        const FileDescriptor receiver =
            socket_in(machines.host(to), AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);
        const sockaddr_in6 address = address_of(to, 4000, AF_INET);
        REQUIRE(::bind(receiver.value(), any(address), sizeof address) == 0);
        const FileDescriptor sender = socket_in(inside, AF_INET, SOCK_DGRAM);
        for (int i = 0; i < 3; ++i) {
            static_cast<void>(::sendto(sender.value(), "x", 1, 0, any(address), sizeof address));
        }
        // What goes the right way after it has passed shows that it would have been here.
        REQUIRE(pings(machines.host(0), "10.0.0.3"));
        std::array<char, 4> buffer{};
        const bool came = ::recv(receiver.value(), buffer.data(), buffer.size(), 0) == 1;
        REQUIRE(run_in(inside, {"ip", "link", "del", "stranger"}) == 0);
        return came;
    };
    const std::string port = std::to_string(machines.endpoint(1).port());
    CHECK_FALSE(send_from(of_stranger, machines.network(1), 2, port));
    CHECK_FALSE(send_from(of_machine, machines.network(1) ^ 1U, 2, port));
    // Of docs/limitations.md: nothing more protects hosts.
    CHECK(send_from(of_machine, machines.network(1), 2, port));
    // A host of machine 0 itself: machine 1 does not pass it on.
    CHECK_FALSE(send_from(of_machine, machines.network(1), 1, port));
    // Nor does anything come in by the device that is for sending.
    const std::string port_of_sender = fmt::format(
        "$(nsenter --net=/proc/{}/fd/{} ip -d link show pleat-vxlan | "
        "sed -n 's/.* dstport \\([0-9]*\\).*/\\1/p')",
        ::getpid(), machines.underlay(1).network_namespace());
    CHECK_FALSE(send_from(of_machine, machines.network(1), 2, port_of_sender));
}

TEST_CASE("the device and its port are gone with the underlay") {
    if (!can_make_machines()) return;
    Machines machines{2};
    const boost::asio::ip::udp::endpoint taken = machines.endpoint(0);
    const auto bind_it = [&] {
        bool free = false;
        in_network_namespace(machines.machine(0), [&] {
            try {
                free = open_tunnel_socket(taken).open();
            } catch (const std::system_error&) {
                free = false;
            }
        });
        return free;
    };
    CHECK_FALSE(bind_it());
    const FileDescriptor host = machines.take_host(0);
    const Departure departure{host.value()};
    machines.end_underlay(0);
    // The host's own end goes with the underlay's.
    REQUIRE(departure.seen_within(10s));
    const Instant deadline = monotonic_now() + 10s;
    bool free = bind_it();
    while (!free && monotonic_now() < deadline) free = bind_it();
    CHECK(free);
}

TEST_CASE("machines of different versions of IP are told so") {
    if (!can_make_machines()) return;
    const Underlay underlay;
    VxlanSettings settings{
        .run = "test",
        .reserved = open_tunnel_socket({boost::asio::ip::make_address("127.0.0.1"), 0}),
        .network = 7,
        .peers = {{.machine = 1,
                   .name = "m1",
                   .endpoint = {boost::asio::ip::make_address("fd99::1"), 4789},
                   .network = 8,
                   .hosts = {}}}};
    CHECK_THROWS_WITH(underlay.reach(std::move(settings)), Catch::Contains("machine m1"));
}

}  // namespace pleat
