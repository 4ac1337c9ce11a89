#include "node/underlay/vxlan.hh"

#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/error.hh"
#include "node/netlink/in_namespace.hh"
#include "node/netlink/route_batch.hh"
#include "node/underlay/forwarding.hh"
#include "node/underlay/underlay.hh"

namespace pleat {

namespace {

using boost::asio::ip::udp;

// Of rule (5).
constexpr const char* kSender = "pleat-vxlan";
constexpr const char* kReceiver = "pleat-vxlan-in";
constexpr std::uint32_t kHostMtu = 1500;

// Hosts' link addresses begin with 02:70.
std::array<std::uint8_t, 6> link_address_of(std::uint16_t machine) {
    return {0x02,
            0x71,
            0,
            0,
            static_cast<std::uint8_t>(machine >> 8),
            static_cast<std::uint8_t>(machine)};
}

void text_attribute(RouteBatch& batch, std::uint16_t type, const std::string& text) {
    batch.attribute(type, text.c_str(), text.size() + 1);
}

void address_attribute(RouteBatch& batch, std::uint16_t ipv4_type, std::uint16_t ipv6_type,
                       const boost::asio::ip::address& address) {
    if (address.is_v4()) {
        batch.attribute(ipv4_type, address.to_v4().to_bytes());
    } else {
        batch.attribute(ipv6_type, address.to_v6().to_bytes());
    }
}

udp::endpoint endpoint_of(const FileDescriptor& socket) {
    udp::endpoint endpoint;
    auto size = static_cast<socklen_t>(endpoint.capacity());
    check("cannot ask a socket for its address",
          ::getsockname(socket.value(), endpoint.data(), &size));
    endpoint.resize(size);
    return endpoint;
}

// Any port of this address that is free. It is kept like `reserved`.
FileDescriptor reserve_port(const boost::asio::ip::address& address) {
    const udp::endpoint any{address, 0};
    FileDescriptor socket{check("cannot open a UDP socket",
                                ::socket(any.data()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0))};
    check("cannot bind a UDP socket to " + address.to_string(),
          ::bind(socket.value(), any.data(), static_cast<socklen_t>(any.size())));
    return socket;
}

// Of rule (1): the request is the machine's, what it makes is the underlay's.
template <typename AddData>
void make_device(const char* name, std::uint16_t port, int underlay, const AddData& add_data) {
    RouteBatch batch;
    batch.request("cannot make the VXLAN device", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
                  ifinfomsg{});
    text_attribute(batch, IFLA_IFNAME, name);
    batch.attribute(IFLA_MTU, kHostMtu);
    batch.attribute(IFLA_NET_NS_FD, static_cast<std::uint32_t>(underlay));
    const std::size_t info = batch.begin_nest(IFLA_LINKINFO);
    text_attribute(batch, IFLA_INFO_KIND, "vxlan");
    const std::size_t data = batch.begin_nest(IFLA_INFO_DATA);
    batch.attribute(IFLA_VXLAN_PORT, htons(port));
    batch.attribute(IFLA_VXLAN_LEARNING, std::uint8_t{0});
    add_data(batch);
    batch.end_nest(data);
    batch.end_nest(info);
    batch.send(open_route_socket().value());
}

std::uint32_t device_index(const char* name) {
    const std::uint32_t device = ::if_nametoindex(name);
    check("cannot find the VXLAN device", device == 0 ? -1 : 0);
    return device;
}

void mark_and_bring_up(RouteBatch& batch, std::uint32_t device, const VxlanSettings& settings) {
    ifinfomsg link{};
    link.ifi_index = static_cast<int>(device);
    batch.request("cannot mark the VXLAN device", RTM_SETLINK, 0, link);
    text_attribute(batch, IFLA_IFALIAS, "pleat " + settings.run);
    // What comes has it as its destination, what goes gets it as its source.
    batch.attribute(IFLA_ADDRESS, link_address_of(settings.machine));
    link.ifi_flags = IFF_UP;
    link.ifi_change = IFF_UP;
    batch.request("cannot bring up the VXLAN device", RTM_NEWLINK, 0, link);
}

void add_peer(RouteBatch& batch, std::uint32_t device, const VxlanPeer& peer) {
    ndmsg entry{};
    entry.ndm_family = AF_BRIDGE;
    entry.ndm_ifindex = static_cast<int>(device);
    entry.ndm_state = NUD_PERMANENT | NUD_NOARP;
    entry.ndm_flags = NTF_SELF;
    batch.request("cannot tell the VXLAN device of machine " + peer.name, RTM_NEWNEIGH,
                  NLM_F_CREATE | NLM_F_EXCL, entry);
    batch.attribute(NDA_LLADDR, link_address_of(peer.machine));
    address_attribute(batch, NDA_DST, NDA_DST, peer.endpoint.address());
    batch.attribute(NDA_PORT, htons(peer.endpoint.port()));
    batch.attribute(NDA_VNI, peer.network);
}

}  // namespace

std::uint32_t drawn_vxlan_network() {
    constexpr std::uint32_t kMost = 0xffffff;
    std::uint32_t network = 0;
    while (network == 0) {
        check("cannot draw a random number",
              static_cast<int>(::getrandom(&network, sizeof network, 0)));
        network &= kMost;
    }
    return network;
}

void open_vxlan(VxlanSettings settings, int underlay, const Forwarding& forwarding) {
    const udp::endpoint local = endpoint_of(settings.reserved);
    for (const VxlanPeer& peer : settings.peers) {
        if (peer.endpoint.address().is_v4() == local.address().is_v4()) continue;
        throw Failure{"the way to machine " + peer.name +
                      " leads over another version of IP than this machine's: " +
                      peer.endpoint.address().to_string() + ", " + local.address().to_string()};
    }
    FileDescriptor sender_port = reserve_port(local.address());
    make_device(kReceiver, local.port(), underlay, [](RouteBatch& batch) {
        batch.attribute(IFLA_VXLAN_COLLECT_METADATA, std::uint8_t{1});
    });
    make_device(kSender, endpoint_of(sender_port).port(), underlay, [&](RouteBatch& batch) {
        batch.attribute(IFLA_VXLAN_ID, settings.network);
        address_attribute(batch, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LOCAL6, local.address());
    });
    in_network_namespace(underlay, [&settings, &forwarding, &sender_port] {
        const std::uint32_t receiver = device_index(kReceiver);
        const std::uint32_t sender = device_index(kSender);
        // First: nothing may come in unseen.
        forwarding.admit(receiver);
        forwarding.admit(sender);
        RouteBatch batch;
        for (const VxlanPeer& peer : settings.peers) {
            forwarding.trust(peer.endpoint.address(), settings.network);
            add_peer(batch, sender, peer);
        }
        mark_and_bring_up(batch, receiver, settings);
        mark_and_bring_up(batch, sender, settings);
        // Sockets of ours would be in their way.
        settings.reserved.close();
        sender_port.close();
        batch.send(open_route_socket().value());
        for (const VxlanPeer& peer : settings.peers) {
            for (const keeper::Interface& host : peer.hosts) {
                forwarding.lead_elsewhere(host, sender, link_address_of(peer.machine));
            }
        }
    });
}

std::string missing_for_vxlan() {
    try {
        const Underlay underlay;
        VxlanSettings settings{.run = "probe",
                               .reserved = FileDescriptor{::socket(AF_INET, SOCK_DGRAM, 0)},
                               .network = drawn_vxlan_network(),
                               .peers = {}};
        sockaddr_in loopback{};
        loopback.sin_family = AF_INET;
        loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as bind() wants it
        const auto* const address = reinterpret_cast<const sockaddr*>(&loopback);
        check("cannot bind a UDP socket",
              ::bind(settings.reserved.value(), address, sizeof loopback));
        underlay.reach(std::move(settings));
    } catch (const std::exception& error) {
        return error.what();
    }
    return "";
}

}  // namespace pleat
