// A host is the same for its applications whether its interface is a TUN device or one end
// of a veth pair in the underlay.
#include <cstring>

#include <catch2/catch.hpp>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/capabilities.hh"
#include "base/error.hh"
#include "node/netlink/in_namespace.hh"
#include "tests/hosts/fleet_world.hh"
#include "tests/hosts/greeter.hh"

namespace pleat {

namespace {

void behind_veth(FleetOptions& options) {
    options.attachment = AttachmentKind::kernel_interface;
}

void behind_tun(FleetOptions& options) {
    options.attachment = AttachmentKind::tun_device;
}

std::string output_of(FleetWorld& world, const std::string& host, const std::string& script) {
    const std::size_t before = world.count<ExecEnded>();
    const std::size_t read = world.log(host).size();
    const bool first = world.log(host) == "(no log)";
    world.fleet->execute(world.host(host), 1, {"sh", "-c", script});
    if (!world.turn_until([&] { return world.count<ExecEnded>() > before; })) return "(no end)";
    return first ? world.log(host) : world.log(host).substr(read);
}

// Whether pleat0 has this offload, an ETHTOOL_G… that answers with a flag.
bool is_offloaded(int network_namespace, std::uint32_t offload) {
    bool result = false;
    in_network_namespace(network_namespace, [&] {
        const FileDescriptor socket{
            check("open a socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))};
        ethtool_value value{};
        value.cmd = offload;
        ifreq request{};
        std::strncpy(request.ifr_name, "pleat0", IFNAMSIZ - 1);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as the kernel wants it
        request.ifr_data = reinterpret_cast<char*>(&value);
        check("ask for an offload", ::ioctl(socket.value(), SIOCETHTOOL, &request));
        result = value.data != 0;
    });
    return result;
}

}  // namespace

TEST_CASE("a host sees the same addresses, routes and limits by TUN and by veth") {
    if (!can_make_hosts()) return;
    Application outside;
    outside.outside = true;
    const bool with_outside = probe_slirp4netns().ok;
    const std::vector<std::pair<std::string, Application>> hosts =
        with_outside ? std::vector<std::pair<std::string, Application>>{{"a", {}},
                                                                        {"b", {}},
                                                                        {"out", outside}}
                     : std::vector<std::pair<std::string, Application>>{{"a", {}}, {"b", {}}};
    FleetWorld tun{scenario_of(hosts), behind_tun};
    tun.create();
    FleetWorld veth{scenario_of(hosts), behind_veth};
    veth.create();
    for (const char* const script :
         {"ip -o -4 address show dev pleat0 | sed 's/^[0-9]*: //'", "ip route show",
          "ip -6 route show", "ip -o link show pleat0 | grep -o 'mtu [0-9]*'",
          "ip -o -6 address show dev pleat0 | sed 's/^[0-9]*: //'",
          "ip -o link show lo | grep -o UP", "cat /proc/sys/net/ipv4/tcp_rmem",
          "hostname; getent hosts b"}) {
        INFO(script);
        const std::string expected = output_of(tun, "a", script);
        CHECK_FALSE(expected.empty());
        CHECK(output_of(veth, "a", script) == expected);
    }
    if (!with_outside) WARN("without @outside: slirp4netns is missing");
}

TEST_CASE(
    "a veth pair has the queue and the offloads that are wanted, a TUN device a short queue") {
    if (!can_make_hosts()) return;
    FleetWorld tun{scenario_of({{"a", {}}}), behind_tun};
    tun.create();
    CHECK(output_of(tun, "a", "ip -o link show pleat0 | grep -o 'qlen [0-9]*'") == "qlen 200\n");
    FleetWorld veth{scenario_of({{"a", {}}}), behind_veth};
    veth.create();
    CHECK(output_of(veth, "a",
                    "ip -d -o link show pleat0 | grep -oE '(qlen|gso_max_size|gso_max_segs|"
                    "numtxqueues|numrxqueues) [0-9]+'") ==
          "qlen 1000\nnumtxqueues 1\nnumrxqueues 1\ngso_max_size 65536\ngso_max_segs 65535\n");
    const auto& port = std::get<KernelInterface>(veth.ports.at(0).attachment);
    for (const std::uint32_t offload : {ETHTOOL_GTXCSUM, ETHTOOL_GSG, ETHTOOL_GTSO, ETHTOOL_GGSO}) {
        INFO("ethtool " << offload);
        CHECK(is_offloaded(port.network_namespace.value(), offload));
    }
}

TEST_CASE("hosts behind veth pairs reach each other by name, and are gone afterwards") {
    if (!can_make_hosts()) return;
    FleetWorld world{scenario_of({{"a", {}}, {"b", {}}}), behind_veth};
    world.create();
    REQUIRE(world.ports.size() == 2);
    const auto& port = std::get<KernelInterface>(world.ports[0].attachment);
    CHECK(port.name == "pleat0");
    unsigned index = 0;
    in_network_namespace(port.network_namespace.value(),
                         [&index] { index = ::if_nametoindex("pleat0"); });
    CHECK(index != 0);
    CHECK(output_of(world, "a", "ping -q -c1 -W2 b >/dev/null; echo $?") == "0\n");
    CHECK(output_of(world, "b", "ping -q -6 -i.2 -w5 -c1 a >/dev/null; echo $?") == "0\n");

    bool done = false;
    world.fleet->dissolve([&done] { done = true; });
    REQUIRE(world.turn_until([&done] { return done; }));
    CHECK(world.count<HostLost>() == 0);
}

TEST_CASE("a host behind a veth pair reaches the machine's network through the outside host") {
    if (!can_make_hosts()) return;
    if (const Probe slirp = probe_slirp4netns(); !slirp.ok) {
        WARN("SKIPPED: slirp4netns is " << slirp.text);
        return;
    }
    const Greeter greeter;
    Application outside;
    outside.outside = true;
    FleetWorld world{scenario_of({{"inside", {}}, {"outside", outside}}), behind_veth};
    world.create();
    const std::string address = "/dev/tcp/198.18.0.2/" + std::to_string(greeter.port());
    world.fleet->execute(HostId{0}, 1, {"bash", "-c", "cat <" + address});
    REQUIRE(world.turn_until([&] {
        greeter.greet();
        return world.count<ExecEnded>() == 1;
    }));
    CHECK(world.log("inside") == "hello\n");
}

}  // namespace pleat
