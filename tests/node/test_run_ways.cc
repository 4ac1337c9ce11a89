// The ends of a run for other machines, and which plane it has because of them.
#include <catch2/catch.hpp>

#include "node/chosen_plane.hh"
#include "node/run_ways.hh"
#include "tests/model/build.hh"

using namespace pleat;
using namespace pleat::testing;
using Catch::Contains;

namespace {

Peer peer(const std::string& name, std::vector<HostId> hosts, VxlanEnd vxlan,
          const std::string& way = "10.0.0.1:7000") {
    return {.name = name,
            .address = {},
            .hosts = std::move(hosts),
            .way = way,
            .way_key = std::string(32, 'k'),
            .vxlan = vxlan};
}

Scenario three_hosts() {
    Scenario three;
    three.topology = topology({"a -- s: 1ms", "b -- s: 1ms", "c -- s: 1ms"});
    three.applications.resize(3);
    three.applications[2].outside = true;
    return three;
}

AddressPlan addresses() {
    return {};
}

}  // namespace

TEST_CASE("a run has two ports where kernel planes reach other machines, and says so") {
    const RunWays plain = open_run_ways("127.0.0.1", {}, false);
    CHECK(plain.told().vxlan == VxlanEnd{});
    const RunWays ways = open_run_ways("127.0.0.1", {}, true);
    const WayOpened told = ways.told();
    CHECK(told.endpoint == endpoint_text(tunnel_endpoint(ways.tunnel)));
    CHECK(told.vxlan.port == tunnel_endpoint(ways.vxlan).port());
    CHECK(told.vxlan.network > 0);
    CHECK(told.vxlan.network < 1U << 24U);
    // A range with room for one alone has the tunnel.
    const std::uint16_t port = [] {
        return tunnel_endpoint(open_tunnel_end("127.0.0.1", {})).port();
    }();
    const RunWays narrow = open_run_ways("127.0.0.1", {port, port}, true);
    CHECK(tunnel_endpoint(narrow.tunnel).port() == port);
    CHECK_FALSE(narrow.vxlan.open());
}

TEST_CASE("the VXLAN device is told of each machine by its number, and of the hosts there") {
    const Scenario three = three_hosts();
    const std::vector<Peer> peers{
        peer("m1", {HostId{0}}, {.port = 4001, .network = 11}),
        peer("m3", {HostId{2}}, {.port = 4003, .network = 13}, "10.0.0.3:7000")};
    RunWays ways = open_run_ways("127.0.0.1", {}, true);
    const std::uint32_t own = ways.vxlan_network;
    const auto settings = vxlan_settings("r-1", "m2", peers, three, addresses(), std::move(ways));
    REQUIRE(settings);
    CHECK(settings->machine == 1);
    CHECK(settings->network == own);
    REQUIRE(settings->peers.size() == 2);
    CHECK(settings->peers[0].machine == 0);
    const VxlanPeer& third = settings->peers[1];
    CHECK(third.machine == 2);
    CHECK(third.network == 13);
    CHECK(endpoint_text(third.endpoint) == "10.0.0.3:4003");
    REQUIRE(third.hosts.size() == 1);
    CHECK(third.hosts[0].host == 2);
    CHECK(third.hosts[0].ipv4 == addresses().ipv4(HostId{2}));
    CHECK(third.hosts[0].outside);
    CHECK_FALSE(settings->peers[0].hosts[0].outside);

    CHECK_FALSE(vxlan_settings("r-1", "m2", peers, three, addresses(), RunWays{}));
    CHECK_THROWS_WITH(vxlan_settings("r-1", "m2", {peer("m1", {}, {})}, three, addresses(),
                                     open_run_ways("127.0.0.1", {}, true)),
                      Contains("m1"));
}

TEST_CASE("one machine says that VXLAN protects nothing, and each pair once where it is narrow") {
    const std::vector<Peer> peers{peer("m1", {}, {}), peer("m3", {}, {})};
    const auto states = [](std::uint32_t first, std::uint32_t second) {
        return std::vector<TunnelPeerState>{
            {.machine = 0, .ready = true, .datagram_bytes = first},
            {.machine = 2, .ready = true, .datagram_bytes = second}};
    };
    CHECK(vxlan_warnings("m2", peers, states(1522, 1522)).empty());
    const auto narrow = vxlan_warnings("m2", peers, states(1472, 1472));
    REQUIRE(narrow.size() == 1);
    CHECK_THAT(narrow[0], Contains("m3 (1500 bytes)") && !Contains("m1"));
    const auto first = vxlan_warnings("m0", peers, states(1522, 1522));
    REQUIRE(first.size() == 1);
    CHECK_THAT(first[0], Contains("neither authenticated nor encrypted"));
    CHECK(vxlan_warnings("m2", {}, {}).empty());
}

TEST_CASE(
    "all machines have the tunnel when one of them has no VXLAN, or encryption is asked for") {
    const VxlanEnd end{.port = 4000, .network = 1};
    const std::vector<Peer> with{peer("m1", {}, end), peer("m3", {}, end)};
    const std::vector<Peer> without{peer("m1", {}, end), peer("m3", {}, {})};
    CHECK(plane_wishes({.peers = {}, .has_vxlan = false, .encrypt = true}).empty());
    CHECK(plane_wishes({.peers = with, .has_vxlan = true}).empty());
    const auto wish = [](const MachinesOfRun& machines) {
        const auto wishes = plane_wishes(machines);
        return wishes.size() == 1 ? wishes[0].what : std::to_string(wishes.size()) + " wishes";
    };
    CHECK_THAT(wish({.peers = without, .has_vxlan = true}), Contains("machine m3"));
    CHECK_THAT(wish({.peers = without, .has_vxlan = false}), Contains("this one"));
    CHECK_THAT(wish({.peers = with, .has_vxlan = true, .encrypt = true}), Contains("encryption"));
    // It is the scenario that asks for encryption, but the machines that lack VXLAN.
    CHECK_THROWS_AS(chosen_plane({.peers = with, .has_vxlan = true, .encrypt = true}, "edt"),
                    Unsuitable);
    CHECK_THROWS_AS(chosen_plane({.peers = without, .has_vxlan = true}, "edt"), MissingFeature);
}
