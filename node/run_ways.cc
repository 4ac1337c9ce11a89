#include "node/run_ways.hh"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/error.hh"
#include "base/joined.hh"
#include "base/log.hh"

namespace pleat {

namespace {

keeper::Interface remote_interface(HostId host, const Scenario& scenario,
                                   const AddressPlan& addresses) {
    keeper::Interface interface;
    interface.host = host.value;
    interface.ipv4 = addresses.ipv4(host);
    interface.ipv6 = addresses.ipv6(host);
    interface.outside = scenario.applications.at(host.value).outside;
    return interface;
}

// IP and UDP around a datagram.
std::uint32_t headers(const std::string& way) {
    return way.starts_with('[') ? 48 : 28;
}

// Of the interface that has this IPv6 address; 0: there is none.
std::uint32_t mtu_at(const boost::asio::ip::address& own) {
    ifaddrs* all = nullptr;
    check("cannot list this machine's addresses", ::getifaddrs(&all));
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner{all, &::freeifaddrs};
    const FileDescriptor socket{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    const auto bytes = own.to_v6().to_bytes();
    for (const ifaddrs* each = all; each != nullptr; each = each->ifa_next) {
        if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET6) continue;
        sockaddr_in6 address{};
        std::memcpy(&address, each->ifa_addr, sizeof address);
        if (std::memcmp(&address.sin6_addr, bytes.data(), bytes.size()) != 0) continue;
        ifreq request{};
        std::strncpy(request.ifr_name, each->ifa_name, IFNAMSIZ - 1);
        if (::ioctl(socket.value(), SIOCGIFMTU, &request) < 0) return 0;
        return static_cast<std::uint32_t>(request.ifr_mtu);
    }
    return 0;
}

}  // namespace

WayOpened RunWays::told() const {
    WayOpened opened{.endpoint = endpoint_text(tunnel_endpoint(tunnel)), .vxlan = {}};
    if (vxlan.open()) {
        opened.vxlan = {.port = tunnel_endpoint(vxlan).port(), .network = vxlan_network};
    }
    return opened;
}

RunWays open_run_ways(const std::string& address, PortRange ports, bool with_vxlan) {
    RunWays ways{.tunnel = open_tunnel_end(address, ports), .vxlan = {}};
    if (!with_vxlan) return ways;
    const boost::asio::ip::address own = tunnel_endpoint(ways.tunnel).address();
    if (own.is_v6() && mtu_at(own) < vxlan_whole(true)) {
        log::info("no VXLAN: the interface of {} has an MTU of {}, over IPv6 it needs {}",
                  own.to_string(), mtu_at(own), vxlan_whole(true));
        return ways;
    }
    try {
        ways.vxlan = open_tunnel_end(address, ports);
    } catch (const Failure& error) {
        log::info("no VXLAN: {}", error.what());
        return ways;
    }
    ways.vxlan_network = drawn_vxlan_network();
    return ways;
}

std::optional<VxlanSettings> vxlan_settings(const std::string& run, const std::string& node,
                                            const std::vector<Peer>& peers,
                                            const Scenario& scenario, const AddressPlan& addresses,
                                            RunWays ways) {
    if (!ways.vxlan.open()) return {};
    VxlanSettings settings{.run = run,
                           .machine = machine_number(node, node, peers),
                           .reserved = std::move(ways.vxlan),
                           .network = ways.vxlan_network,
                           .peers = {}};
    for (const Peer& peer : peers) {
        Result<boost::asio::ip::udp::endpoint> endpoint = parse_endpoint(peer.way);
        if (!endpoint || peer.vxlan.port == 0) {
            throw Failure{fmt::format("machine {} has no VXLAN", peer.name)};
        }
        endpoint->port(static_cast<std::uint16_t>(peer.vxlan.port));
        VxlanPeer& added =
            settings.peers.emplace_back(VxlanPeer{.machine = machine_number(peer.name, node, peers),
                                                  .name = peer.name,
                                                  .endpoint = *endpoint,
                                                  .network = peer.vxlan.network,
                                                  .hosts = {}});
        for (const HostId host : peer.hosts) {
            added.hosts.push_back(remote_interface(host, scenario, addresses));
        }
    }
    return settings;
}

std::vector<std::string> vxlan_warnings(const std::string& node, const std::vector<Peer>& peers,
                                        const std::vector<TunnelPeerState>& states) {
    std::vector<std::string> warnings;
    const bool first =
        std::ranges::all_of(peers, [&node](const Peer& peer) { return node < peer.name; });
    if (first && !peers.empty()) {
        warnings.emplace_back(
            "between machines packets go by VXLAN, neither authenticated nor encrypted: who can "
            "send with the address of one of them can send to hosts (the data plane tun "
            "authenticates)");
    }
    std::vector<std::string> narrow;
    for (std::size_t i = 0; i < std::min(peers.size(), states.size()); ++i) {
        const bool ipv6 = peers[i].way.starts_with('[');
        const std::uint32_t room = states[i].datagram_bytes + headers(peers[i].way);
        if (room >= vxlan_whole(ipv6) || peers[i].name < node) continue;
        narrow.push_back(fmt::format("{} ({} bytes)", peers[i].name, room));
    }
    if (!narrow.empty()) {
        warnings.push_back(fmt::format(
            "between machine {} and {} full packets of hosts go in two pieces, which costs "
            "processor time and doubles what a real loss does: an MTU of {} there avoids it",
            node, joined(narrow, ", "), vxlan_whole(true)));
    }
    return warnings;
}

}  // namespace pleat
