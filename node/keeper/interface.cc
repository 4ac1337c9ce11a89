#include "node/keeper/interface.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.hh"
#include "base/error.hh"
#include "node/netlink/route_batch.hh"

namespace pleat::keeper {

namespace {

constexpr std::uint32_t kMtu = 1500;
// Short: a longer one only adds delay that nobody emulated (measured: 200 against 10,000
// takes the 95th percentile of a ping beside a bulk flow from 11 ms to 0.7 ms).
constexpr std::uint32_t kTransmitQueuePackets = 200;
// Of a veth pair: docs/design/underlay.md says why these, and why its offloads stay as they are.
constexpr std::uint32_t kVethQueuePackets = 1000;
constexpr std::uint32_t kMostGsoBytes = 65536;
constexpr std::uint32_t kMostGsoSegments = 65535;
// Known before they are made, so that one message can make and use them; above what the
// kernel gives to `lo` and to the tunnels that some modules put into every namespace.
constexpr std::uint32_t kVethIndex = 100;
constexpr std::uint32_t kFirstPortIndex = 1000;

FileDescriptor open_tun() {
    FileDescriptor tun{::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)};
    check_feature("cannot open /dev/net/tun", tun.value());
    ifreq request{};
    std::strncpy(request.ifr_name, kInterface, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    check_feature("cannot make the TUN interface", ::ioctl(tun.value(), TUNSETIFF, &request));
    constexpr unsigned kOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    check("cannot set the TUN interface's offloads",
          ::ioctl(tun.value(), TUNSETOFFLOAD, kOffloads));
    // Else the last close() waits 29 ms for the interface to go; so it goes with the
    // namespace, together with all others.
    check("cannot keep the TUN interface", ::ioctl(tun.value(), TUNSETPERSIST, 1));
    return tun;
}

unsigned index_of(const char* name) {
    const unsigned index = ::if_nametoindex(name);
    if (index == 0) check(std::string{"cannot find interface "} + name, -1);
    return index;
}

// A kernel without IPv6 runs IPv4 alone.
bool has_ipv6() {
    return FileDescriptor{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)}.open();
}

void text_attribute(RouteBatch& batch, std::uint16_t type, const std::string& text) {
    batch.attribute(type, text.c_str(), text.size() + 1);
}

void bring_up(RouteBatch& batch, const char* name, unsigned index) {
    ifinfomsg link{};
    link.ifi_index = static_cast<int>(index);
    link.ifi_flags = IFF_UP;
    link.ifi_change = IFF_UP;
    batch.request(std::string{"cannot bring up "} + name, RTM_NEWLINK, 0, link);
}

template <typename Address>
void add_address(RouteBatch& batch, std::uint8_t family, const Address& address,
                 std::uint8_t prefix, unsigned index) {
    ifaddrmsg message{};
    message.ifa_family = family;
    message.ifa_prefixlen = prefix;
    message.ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
    message.ifa_index = index;
    batch.request("cannot set the host's address", RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, message);
    batch.attribute(IFA_LOCAL, address);
    batch.attribute(IFA_ADDRESS, address);
}

// What lies behind the interface `index` itself: no router's address is needed.
rtmsg route_on_link(std::uint8_t family, std::uint8_t prefix) {
    rtmsg message{};
    message.rtm_family = family;
    message.rtm_dst_len = prefix;
    message.rtm_table = RT_TABLE_MAIN;
    message.rtm_protocol = RTPROT_BOOT;
    message.rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    message.rtm_type = RTN_UNICAST;
    return message;
}

void add_default_route(RouteBatch& batch, const char* attempt, unsigned index) {
    batch.request(attempt, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route_on_link(AF_INET, 0));
    batch.attribute(RTA_OIF, index);
}

void add_addresses(RouteBatch& batch, const Interface& interface, unsigned index) {
    add_address(batch, AF_INET, htonl(interface.ipv4), interface.ipv4_prefix, index);
    if (has_ipv6()) add_address(batch, AF_INET6, interface.ipv6, interface.ipv6_prefix, index);
    if (interface.default_route) {
        add_default_route(batch, "cannot set the host's default route", index);
    }
}

// The end of a pair that comes up first gets its carrier with the other one's, but sends
// nothing (it drops) until a worker of the kernel has seen that: we wait for it to say so.
class LinkReady {
  public:
    LinkReady() : news_{open_route_socket()} {
        sockaddr_nl links{};
        links.nl_family = AF_NETLINK;
        links.nl_groups = RTMGRP_LINK;
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as bind() wants it
        const auto* const address = reinterpret_cast<const sockaddr*>(&links);
        check("cannot watch interfaces", ::bind(news_.value(), address, sizeof links));
    }

    void await(unsigned index) const {
        const Instant deadline = monotonic_now() + kPatience;
        while (true) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now());
            pollfd wait{news_.value(), POLLIN, 0};
            const int n = ::poll(&wait, 1, static_cast<int>(std::max<long>(left.count(), 0)));
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) throw Failure{"the host's interface did not come up within 5 s"};
            alignas(nlmsghdr) std::array<char, 16384> buffer{};
            const ssize_t size = ::recv(news_.value(), buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (size > 0 && tells({buffer.data(), static_cast<std::size_t>(size)}, index)) return;
        }
    }

  private:
    static constexpr Duration kPatience = std::chrono::seconds{5};
    static constexpr char kOperational = 6;  // IF_OPER_UP of linux/if.h, which excludes net/if.h

    // One notification is one message.
    static bool tells(std::string_view message, unsigned index) {
        nlmsghdr header{};
        ifinfomsg link{};
        std::size_t at = NLMSG_LENGTH(sizeof link);
        if (message.size() < at) return false;
        std::memcpy(&header, message.data(), sizeof header);
        std::memcpy(&link, message.data() + NLMSG_HDRLEN, sizeof link);
        if (header.nlmsg_type != RTM_NEWLINK || link.ifi_index != static_cast<int>(index)) {
            return false;
        }
        nlattr attribute{};
        for (at = NLMSG_ALIGN(at); at + NLA_HDRLEN < message.size();
             at += NLA_ALIGN(attribute.nla_len)) {
            std::memcpy(&attribute, message.data() + at, sizeof attribute);
            if (attribute.nla_len < NLA_HDRLEN) return false;
            if (attribute.nla_type == IFLA_OPERSTATE) {
                return message[at + NLA_HDRLEN] == kOperational;
            }
        }
        return false;
    }

    FileDescriptor news_;
};

// What both ends of the pair have in common. With one address for both, and none asked
// for (IFF_NOARP), whatever one end sends is for the other.
void describe_end(RouteBatch& batch, const std::string& name,
                  const std::array<std::uint8_t, 6>& link_address) {
    text_attribute(batch, IFLA_IFNAME, name);
    batch.attribute(IFLA_ADDRESS, link_address);
    batch.attribute(IFLA_MTU, kMtu);
    batch.attribute(IFLA_TXQLEN, kVethQueuePackets);
    batch.attribute(IFLA_GSO_MAX_SIZE, kMostGsoBytes);
    batch.attribute(IFLA_GSO_MAX_SEGS, kMostGsoSegments);
    // Else as many as the machine has processors.
    batch.attribute(IFLA_NUM_TX_QUEUES, std::uint32_t{1});
    batch.attribute(IFLA_NUM_RX_QUEUES, std::uint32_t{1});
}

void make_veth(RouteBatch& batch, const Interface& interface, int underlay) {
    const std::array<std::uint8_t, 6> both_ends = link_address(interface.host);
    ifinfomsg host_end{};
    host_end.ifi_index = kVethIndex;
    host_end.ifi_flags = IFF_NOARP;
    host_end.ifi_change = IFF_NOARP;
    ifinfomsg port{};
    port.ifi_index = static_cast<int>(port_index(interface.host));
    port.ifi_flags = IFF_NOARP;
    port.ifi_change = IFF_NOARP | IFF_MULTICAST;
    batch.request("cannot make the veth pair", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, host_end);
    describe_end(batch, kInterface, both_ends);
    const std::size_t info = batch.begin_nest(IFLA_LINKINFO);
    text_attribute(batch, IFLA_INFO_KIND, "veth");
    const std::size_t data = batch.begin_nest(IFLA_INFO_DATA);
    const std::size_t peer = batch.begin_nest(VETH_INFO_PEER, port);
    describe_end(batch, "port" + std::to_string(interface.host), both_ends);
    batch.attribute(IFLA_NET_NS_FD, static_cast<std::uint32_t>(underlay));
    batch.end_nest(peer);
    batch.end_nest(data);
    batch.end_nest(info);
}

template <typename Address>
void add_host_route(RouteBatch& batch, std::uint8_t family, const Address& address,
                    std::uint32_t index) {
    batch.request("cannot set the underlay's route to the host", RTM_NEWROUTE,
                  NLM_F_CREATE | NLM_F_EXCL, route_on_link(family, sizeof address * 8));
    batch.attribute(RTA_DST, address);
    batch.attribute(RTA_OIF, index);
}

}  // namespace

std::uint32_t port_index(std::uint32_t host) {
    return kFirstPortIndex + host;
}

std::array<std::uint8_t, 6> link_address(std::uint32_t host) {
    return {0x02,
            0x70,
            static_cast<std::uint8_t>(host >> 24),
            static_cast<std::uint8_t>(host >> 16),
            static_cast<std::uint8_t>(host >> 8),
            static_cast<std::uint8_t>(host)};
}

FileDescriptor make_tun_interface(const Interface& interface) {
    FileDescriptor tun = open_tun();
    const unsigned index = index_of(kInterface);
    RouteBatch batch;
    bring_up(batch, "lo", index_of("lo"));
    // Before it is up: a queue in use is only changed after an RCU grace period.
    ifinfomsg sizes{};
    sizes.ifi_index = static_cast<int>(index);
    batch.request("cannot set the interface's sizes", RTM_NEWLINK, 0, sizes);
    batch.attribute(IFLA_MTU, kMtu);
    batch.attribute(IFLA_TXQLEN, kTransmitQueuePackets);
    bring_up(batch, kInterface, index);
    add_addresses(batch, interface, index);
    batch.send(open_route_socket().value());
    return tun;
}

void make_underlay_interface(const Interface& interface, int underlay, int underlay_routes) {
    const FileDescriptor routes = open_route_socket();
    const LinkReady ready;
    RouteBatch host_end;
    bring_up(host_end, "lo", index_of("lo"));
    make_veth(host_end, interface, underlay);
    bring_up(host_end, kInterface, kVethIndex);
    host_end.send(routes.value());

    const unsigned port = port_index(interface.host);
    RouteBatch other_end;
    bring_up(other_end, "the host's port", port);
    add_host_route(other_end, AF_INET, htonl(interface.ipv4), port);
    if (has_ipv6()) add_host_route(other_end, AF_INET6, interface.ipv6, port);
    if (interface.outside) {
        add_default_route(other_end, "cannot set the underlay's route to the outside host", port);
    }
    other_end.send(underlay_routes);

    ready.await(kVethIndex);
    RouteBatch addresses;
    add_addresses(addresses, interface, kVethIndex);
    addresses.send(routes.value());
}

}  // namespace pleat::keeper
