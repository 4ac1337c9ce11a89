#include "tests/dataplane/links.hh"

#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
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

NetlinkMessage about_traffic_control(int type, int flags, int index, std::uint32_t parent,
                                     std::uint32_t handle = 0) {
    NetlinkMessage message = RouteSocket::message(type, flags);
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = index;
    header.tcm_parent = parent;
    header.tcm_handle = handle;
    append(message.get(), header);
    return message;
}

constexpr int kNew = NLM_F_CREATE | NLM_F_EXCL;

}  // namespace

int Links::index(const std::string& name) {
    const int found = socket_.interface_index(name);
    if (found == 0) throw Failure{"there is no interface " + name};
    return found;
}

void Links::remove(const std::string& name) {
    const NetlinkMessage message = RouteSocket::message(RTM_DELLINK, 0);
    ifinfomsg header{};
    header.ifi_index = index(name);
    append(message.get(), header);
    socket_.perform("remove " + name, message.get());
}

void Links::remove_qdisc(const std::string& name, std::uint32_t parent) {
    const NetlinkMessage message = about_traffic_control(RTM_DELQDISC, 0, index(name), parent);
    socket_.perform("remove a qdisc of " + name, message.get());
}

void Links::remove_filters(const std::string& name, std::uint32_t parent) {
    const NetlinkMessage message = about_traffic_control(RTM_DELTFILTER, 0, index(name), parent);
    socket_.perform("remove the filters of " + name, message.get());
}

void Links::set_mtu(const std::string& name, std::uint32_t bytes) {
    const NetlinkMessage message = RouteSocket::message(RTM_NEWLINK, 0);
    ifinfomsg header{};
    header.ifi_index = index(name);
    append(message.get(), header);
    nla_put_u32(message.get(), IFLA_MTU, bytes);
    socket_.perform("set the MTU of " + name, message.get());
}

void Links::limit_segmentation(const std::string& name, std::uint32_t segments) {
    const NetlinkMessage message = RouteSocket::message(RTM_NEWLINK, 0);
    ifinfomsg header{};
    header.ifi_index = index(name);
    append(message.get(), header);
    nla_put_u32(message.get(), IFLA_GSO_MAX_SEGS, segments);
    socket_.perform("limit the segmentation of " + name, message.get());
}

void Links::add_ingress(const std::string& name) {
    const NetlinkMessage message =
        about_traffic_control(RTM_NEWQDISC, kNew, index(name), TC_H_INGRESS, 0xffff0000);
    nla_put_string(message.get(), TCA_KIND, "ingress");
    socket_.perform("add an ingress qdisc to " + name, message.get());
}

void Links::add_token_bucket(const std::string& name) {
    const NetlinkMessage message =
        about_traffic_control(RTM_NEWQDISC, kNew, index(name), TC_H_ROOT, 0x770000);  // 77:
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
