#include "node/dataplane/edt/traffic_control.hh"

#include <cerrno>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "base/error.hh"
#include "bpf/shared/edt.h"

namespace pleat {

namespace {

constexpr std::uint32_t kClsactHandle = TC_H_MAKE(TC_H_CLSACT, 0U);

// fq sends by the packets' own times, never by sockets' pacing rates; it tells the packets
// of our paths apart by the hash that the program sets; and no time is too far ahead.
constexpr std::uint32_t kWholeHash = 0xffffffff;
constexpr std::uint32_t kLongestHorizonUs = 0xffffffff;
static_assert(EDT_HORIZON_NS == std::uint64_t{kLongestHorizonUs} * 1000);
constexpr std::uint32_t kTimerSlackNs = 1000;

NetlinkMessage traffic_request(int type, int flags, int index, std::uint32_t handle,
                               std::uint32_t parent, std::uint32_t info = 0) {
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = index;
    header.tcm_handle = handle;
    header.tcm_parent = parent;
    header.tcm_info = info;
    NetlinkMessage result = RouteSocket::message(type, flags);
    PLEAT_ASSERT(nlmsg_append(result.get(), &header, sizeof header, NLMSG_ALIGNTO) == 0);
    return result;
}

// Attributes that can't fail for want of room: a message has a page, ours are small.
void put(nl_msg* message, int type, std::uint32_t value) {
    PLEAT_ASSERT(nla_put_u32(message, type, value) == 0);
}

void put(nl_msg* message, int type, const std::string& text) {
    PLEAT_ASSERT(nla_put_string(message, type, text.c_str()) == 0);
}

std::uint32_t side_parent(ClsactSide side) {
    return TC_H_MAKE(TC_H_CLSACT, side == ClsactSide::egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
}

std::uint32_t filter_info(std::uint16_t preference) {
    return TC_H_MAKE(std::uint32_t{preference} << 16, htons(ETH_P_ALL));
}

const nlattr* attribute(nlmsghdr& header, int type) {
    return nlmsg_find_attr(&header, sizeof(tcmsg), type);
}

std::string text(const nlattr* attribute) {
    return attribute == nullptr ? std::string{} : std::string{nla_get_string(attribute)};
}

}  // namespace

TrafficControl::TrafficControl(int network_namespace, std::string interface)
    : socket_{network_namespace},
      interface_{std::move(interface)},
      index_{socket_.interface_index(interface_)} {
    if (index_ == 0) throw Failure{"there is no interface " + interface_ + " to shape"};
}

void TrafficControl::perform(const std::string& what, nl_msg* message) {
    socket_.perform(what + " on " + interface_, message);
}

NetlinkMessage TrafficControl::fq_request(int flags, std::uint16_t major,
                                          std::uint32_t packet_limit) const {
    NetlinkMessage request =
        traffic_request(RTM_NEWQDISC, flags, index_, std::uint32_t{major} << 16, TC_H_ROOT);
    put(request.get(), TCA_KIND, "fq");
    nlattr* const options = nla_nest_start(request.get(), TCA_OPTIONS);
    PLEAT_ASSERT(options != nullptr);
    put(request.get(), TCA_FQ_PLIMIT, packet_limit);
    put(request.get(), TCA_FQ_FLOW_PLIMIT, packet_limit);
    put(request.get(), TCA_FQ_RATE_ENABLE, 0U);
    put(request.get(), TCA_FQ_ORPHAN_MASK, kWholeHash);
    put(request.get(), TCA_FQ_TIMER_SLACK, kTimerSlackNs);
    put(request.get(), TCA_FQ_HORIZON, kLongestHorizonUs);
    nla_nest_end(request.get(), options);
    return request;
}

int TrafficControl::add_fq(std::uint16_t major, std::uint32_t packet_limit) {
    return socket_.try_to(fq_request(NLM_F_CREATE | NLM_F_EXCL, major, packet_limit).get());
}

void TrafficControl::replace_by_fq(std::uint16_t major, std::uint32_t packet_limit) {
    perform("put fq in place of the root qdisc",
            fq_request(NLM_F_CREATE | NLM_F_REPLACE, major, packet_limit).get());
}

void TrafficControl::change_fq(std::uint16_t major, std::uint32_t packet_limit) {
    perform("change the limits of fq", fq_request(0, major, packet_limit).get());
}

NetlinkMessage TrafficControl::putting_back(const QdiscFound& root) const {
    NetlinkMessage request =
        traffic_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, index_, root.handle, TC_H_ROOT);
    put(request.get(), TCA_KIND, root.kind);
    PLEAT_ASSERT(nla_put(request.get(), TCA_OPTIONS, static_cast<int>(root.options.size()),
                         root.options.data()) == 0);
    return request;
}

void TrafficControl::put_back(const QdiscFound& root) {
    perform("put back the qdisc " + root.kind, putting_back(root).get());
}

NetlinkMessage TrafficControl::root_removal(std::uint16_t major) const {
    return traffic_request(RTM_DELQDISC, 0, index_, std::uint32_t{major} << 16, TC_H_ROOT);
}

void TrafficControl::remove_root(std::uint16_t major) {
    perform("remove fq", root_removal(major).get());
}

int TrafficControl::add_clsact() {
    NetlinkMessage request = traffic_request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index_,
                                             kClsactHandle, TC_H_CLSACT);
    put(request.get(), TCA_KIND, "clsact");
    return socket_.try_to(request.get());
}

NetlinkMessage TrafficControl::clsact_removal() const {
    NetlinkMessage request = traffic_request(RTM_DELQDISC, 0, index_, kClsactHandle, TC_H_CLSACT);
    put(request.get(), TCA_KIND, "clsact");
    return request;
}

void TrafficControl::remove_clsact() {
    perform("remove clsact", clsact_removal().get());
}

int TrafficControl::add_filter(ClsactSide side, std::uint16_t preference, int program,
                               const std::string& name, std::uint32_t classid) {
    NetlinkMessage request = traffic_request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, index_, 1,
                                             side_parent(side), filter_info(preference));
    put(request.get(), TCA_KIND, "bpf");
    nlattr* const options = nla_nest_start(request.get(), TCA_OPTIONS);
    PLEAT_ASSERT(options != nullptr);
    put(request.get(), TCA_BPF_FD, static_cast<std::uint32_t>(program));
    put(request.get(), TCA_BPF_NAME, name);
    put(request.get(), TCA_BPF_FLAGS, std::uint32_t{TCA_BPF_FLAG_ACT_DIRECT});
    if (classid != 0) put(request.get(), TCA_BPF_CLASSID, classid);
    nla_nest_end(request.get(), options);
    return socket_.try_to(request.get());
}

NetlinkMessage TrafficControl::filter_removal(ClsactSide side, std::uint16_t preference) const {
    NetlinkMessage request =
        traffic_request(RTM_DELTFILTER, 0, index_, 1, side_parent(side), filter_info(preference));
    put(request.get(), TCA_KIND, "bpf");
    return request;
}

void TrafficControl::remove_filter(ClsactSide side, std::uint16_t preference) {
    perform("remove the BPF filter", filter_removal(side, preference).get());
}

void TrafficControl::dump(nl_msg* request, const std::function<void(nlmsghdr&)>& take) {
    if (nl_send_auto(socket_.handle(), request) < 0) throw Failure{"cannot ask netlink"};
    const std::uint32_t sequence = nlmsg_hdr(request)->nlmsg_seq;
    while (true) {
        sockaddr_nl from{};
        unsigned char* bytes = nullptr;
        const int size = nl_recv(socket_.handle(), &from, &bytes, nullptr);
        const std::unique_ptr<unsigned char, decltype(&std::free)> owner{bytes, &std::free};
        if (size <= 0) throw Failure{"netlink did not answer about " + interface_};
        int left = size;
        for (auto* header = reinterpret_cast<nlmsghdr*>(bytes); nlmsg_ok(header, left);
             header = nlmsg_next(header, &left)) {
            if (header->nlmsg_seq != sequence) continue;
            // An error is an answer, too: there is nothing of the kind.
            if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) return;
            take(*header);
        }
    }
}

std::vector<QdiscFound> TrafficControl::qdiscs() {
    std::vector<QdiscFound> found;
    dump(traffic_request(RTM_GETQDISC, NLM_F_DUMP, index_, 0, 0).get(), [&](nlmsghdr& header) {
        const auto* about = static_cast<const tcmsg*>(nlmsg_data(&header));
        if (header.nlmsg_type != RTM_NEWQDISC || about->tcm_ifindex != index_) return;
        QdiscFound& one = found.emplace_back();
        one.kind = text(attribute(header, TCA_KIND));
        one.handle = about->tcm_handle;
        one.parent = about->tcm_parent;
        if (const nlattr* options = attribute(header, TCA_OPTIONS)) {
            const auto* first = static_cast<const char*>(nla_data(options));
            one.options.assign(first, first + nla_len(options));
        }
    });
    return found;
}

std::uint32_t TrafficControl::packet_limit(const QdiscFound& fq) {
    if (fq.options.empty()) return 0;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): attributes one after the other
    const auto* const first = reinterpret_cast<const nlattr*>(fq.options.data());
    const nlattr* limit = nla_find(first, static_cast<int>(fq.options.size()), TCA_FQ_PLIMIT);
    return limit == nullptr ? 0 : nla_get_u32(limit);
}

std::vector<FilterFound> TrafficControl::filters(ClsactSide side) {
    std::vector<FilterFound> found;
    dump(traffic_request(RTM_GETTFILTER, NLM_F_DUMP, index_, 0, side_parent(side)).get(),
         [&](nlmsghdr& header) {
             const auto* about = static_cast<const tcmsg*>(nlmsg_data(&header));
             if (header.nlmsg_type != RTM_NEWTFILTER || about->tcm_ifindex != index_) return;
             // Without a handle it is the list of filters itself.
             if (about->tcm_handle == 0) return;
             FilterFound& one = found.emplace_back();
             one.kind = text(attribute(header, TCA_KIND));
             one.preference = static_cast<std::uint16_t>(about->tcm_info >> 16);
             const nlattr* options = attribute(header, TCA_OPTIONS);
             if (options == nullptr || one.kind != "bpf") return;
             const auto* first = static_cast<const nlattr*>(nla_data(options));
             one.name = text(nla_find(first, nla_len(options), TCA_BPF_NAME));
             if (const nlattr* id = nla_find(first, nla_len(options), TCA_BPF_CLASSID)) {
                 one.classid = nla_get_u32(id);
             }
         });
    return found;
}

std::optional<std::uint32_t> TrafficControl::gso_max_segments() {
    ifinfomsg header{};
    header.ifi_index = index_;
    NetlinkMessage request = RouteSocket::message(RTM_GETLINK, NLM_F_DUMP);
    nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO);
    std::optional<std::uint32_t> segments;
    dump(request.get(), [&](nlmsghdr& answer) {
        if (answer.nlmsg_type != RTM_NEWLINK) return;
        if (static_cast<const ifinfomsg*>(nlmsg_data(&answer))->ifi_index != index_) return;
        const nlattr* found = nlmsg_find_attr(&answer, sizeof(ifinfomsg), IFLA_GSO_MAX_SEGS);
        if (found != nullptr) segments = nla_get_u32(found);
    });
    return segments;
}

NetlinkMessage TrafficControl::gso_limit(std::uint32_t segments) const {
    ifinfomsg header{};
    header.ifi_index = index_;
    NetlinkMessage request = RouteSocket::message(RTM_NEWLINK, 0);
    nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO);
    put(request.get(), IFLA_GSO_MAX_SEGS, segments);
    return request;
}

void TrafficControl::set_gso_max_segments(std::uint32_t segments) {
    perform("limit the segments of a packet", gso_limit(segments).get());
}

}  // namespace pleat
