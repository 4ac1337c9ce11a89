#include "tests/dataplane/links.hh"

#include <span>

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include "base/error.hh"

namespace pleat::testing {

namespace {

// The fixed part of a message, before its attributes.
template <typename Header>
void append(nl_msg* message, const Header& header) {
    Header copy = header;
    nlmsg_append(message, &copy, sizeof copy, NLMSG_ALIGNTO);
}

void put(nl_msg* message, int attribute, std::span<const std::uint8_t> bytes) {
    nla_put(message, attribute, static_cast<int>(bytes.size()), bytes.data());
}

int family_of(std::span<const std::uint8_t> address) {
    return address.size() == 4 ? AF_INET : AF_INET6;
}

NetlinkMessage address_message(int index, std::span<const std::uint8_t> address, int prefix) {
    NetlinkMessage message = RouteSocket::message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
    ifaddrmsg header{};
    header.ifa_family = static_cast<std::uint8_t>(family_of(address));
    header.ifa_prefixlen = static_cast<std::uint8_t>(prefix);
    header.ifa_flags = IFA_F_NODAD;
    header.ifa_index = static_cast<unsigned>(index);
    append(message.get(), header);
    put(message.get(), IFA_LOCAL, address);
    put(message.get(), IFA_ADDRESS, address);
    return message;
}

NetlinkMessage neighbour_message(int index, std::span<const std::uint8_t> address,
                                 const Links::HardwareAddress& at) {
    NetlinkMessage message = RouteSocket::message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
    ndmsg header{};
    header.ndm_family = static_cast<std::uint8_t>(family_of(address));
    header.ndm_ifindex = index;
    header.ndm_state = NUD_PERMANENT;
    append(message.get(), header);
    put(message.get(), NDA_DST, address);
    put(message.get(), NDA_LLADDR, at);
    return message;
}

}  // namespace

int Links::index(const std::string& name) {
    const int found = socket_.interface_index(name);
    if (found == 0) throw Failure{"there is no interface " + name};
    return found;
}

void Links::make_bridge(const std::string& name) {
    const NetlinkMessage message = RouteSocket::message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    append(message.get(), ifinfomsg{});
    nla_put_string(message.get(), IFLA_IFNAME, name.c_str());
    nlattr* const info = nla_nest_start(message.get(), IFLA_LINKINFO);
    nla_put_string(message.get(), IFLA_INFO_KIND, "bridge");
    nlattr* const data = nla_nest_start(message.get(), IFLA_INFO_DATA);
    nla_put_u8(message.get(), IFLA_BR_MCAST_SNOOPING, 0);
    nla_nest_end(message.get(), data);
    nla_nest_end(message.get(), info);
    socket_.perform("make the bridge " + name, message.get());
}

void Links::make_veth(const std::string& name, const std::string& peer, int peer_namespace) {
    const NetlinkMessage message = RouteSocket::message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    append(message.get(), ifinfomsg{});
    nla_put_string(message.get(), IFLA_IFNAME, name.c_str());
    nlattr* const info = nla_nest_start(message.get(), IFLA_LINKINFO);
    nla_put_string(message.get(), IFLA_INFO_KIND, "veth");
    nlattr* const data = nla_nest_start(message.get(), IFLA_INFO_DATA);
    nlattr* const other = nla_nest_start(message.get(), VETH_INFO_PEER);
    append(message.get(), ifinfomsg{});
    nla_put_string(message.get(), IFLA_IFNAME, peer.c_str());
    nla_put_u32(message.get(), IFLA_NET_NS_FD, static_cast<std::uint32_t>(peer_namespace));
    nla_nest_end(message.get(), other);
    nla_nest_end(message.get(), data);
    nla_nest_end(message.get(), info);
    socket_.perform("make the veth pair " + name, message.get());
}

void Links::change(const std::string& attempt, const std::string& name, int attribute,
                   std::uint32_t value) {
    const NetlinkMessage message = RouteSocket::message(RTM_NEWLINK, 0);
    ifinfomsg header{};
    header.ifi_index = index(name);
    append(message.get(), header);
    nla_put_u32(message.get(), attribute, value);
    socket_.perform(attempt + " " + name, message.get());
}

void Links::plug(const std::string& name, const std::string& bridge) {
    change("plug in", name, IFLA_MASTER, static_cast<std::uint32_t>(index(bridge)));
}

void Links::limit_segmentation(const std::string& name, std::uint32_t segments) {
    change("limit the segmentation of", name, IFLA_GSO_MAX_SEGS, segments);
}

void Links::raise(const std::string& name, std::uint32_t mtu, std::uint32_t transmit_queue) {
    const NetlinkMessage message = RouteSocket::message(RTM_NEWLINK, 0);
    ifinfomsg header{};
    header.ifi_index = index(name);
    header.ifi_flags = IFF_UP;
    header.ifi_change = IFF_UP;
    append(message.get(), header);
    nla_put_u32(message.get(), IFLA_MTU, mtu);
    nla_put_u32(message.get(), IFLA_TXQLEN, transmit_queue);
    socket_.perform("raise " + name, message.get());
}

void Links::remove(const std::string& name) {
    const NetlinkMessage message = RouteSocket::message(RTM_DELLINK, 0);
    ifinfomsg header{};
    header.ifi_index = index(name);
    append(message.get(), header);
    socket_.perform("remove " + name, message.get());
}

void Links::add_address(const std::string& name, const std::array<std::uint8_t, 4>& address,
                        int prefix) {
    const NetlinkMessage message = address_message(index(name), address, prefix);
    socket_.perform("add an IPv4 address to " + name, message.get());
}

void Links::add_address(const std::string& name, const std::array<std::uint8_t, 16>& address,
                        int prefix) {
    const NetlinkMessage message = address_message(index(name), address, prefix);
    socket_.perform("add an IPv6 address to " + name, message.get());
}

void Links::add_neighbour(const std::string& name, const std::array<std::uint8_t, 4>& address,
                          const HardwareAddress& at) {
    const NetlinkMessage message = neighbour_message(index(name), address, at);
    socket_.perform("add an IPv4 neighbour to " + name, message.get());
}

void Links::add_neighbour(const std::string& name, const std::array<std::uint8_t, 16>& address,
                          const HardwareAddress& at) {
    const NetlinkMessage message = neighbour_message(index(name), address, at);
    socket_.perform("add an IPv6 neighbour to " + name, message.get());
}

void Links::add_token_bucket(const std::string& name) {
    const NetlinkMessage message = RouteSocket::message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = index(name);
    header.tcm_handle = 0x770000;  // 77:
    header.tcm_parent = TC_H_ROOT;
    append(message.get(), header);
    nla_put_string(message.get(), TCA_KIND, "tbf");
    nlattr* const options = nla_nest_start(message.get(), TCA_OPTIONS);
    tc_tbf_qopt bucket{};
    bucket.rate.rate = 125'000'000;
    bucket.rate.linklayer = TC_LINKLAYER_ETHERNET;
    bucket.limit = 1'000'000;
    nla_put(message.get(), TCA_TBF_PARMS, sizeof bucket, &bucket);
    nla_put_u32(message.get(), TCA_TBF_BURST, 200'000);
    nla_nest_end(message.get(), options);
    socket_.perform("add a token bucket to " + name, message.get());
}

}  // namespace pleat::testing
