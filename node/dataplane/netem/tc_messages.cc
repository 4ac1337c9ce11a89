#include "node/dataplane/netem/tc_messages.hh"

#include <algorithm>
#include <cstring>
#include <memory>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/act/gact.h>
#include <netlink/route/action.h>
#include <netlink/route/class.h>
#include <netlink/route/classifier.h>
#include <netlink/route/cls/u32.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/fifo.h>
#include <netlink/route/qdisc/htb.h>
#include <netlink/route/qdisc/netem.h>
#include <netlink/route/tc.h>

#include "base/error.hh"
#include "node/dataplane/netem/jitter_tables.hh"

namespace pleat {

namespace {

struct Put {
    void operator()(rtnl_qdisc* qdisc) const { rtnl_qdisc_put(qdisc); }

    void operator()(rtnl_class* one) const { rtnl_class_put(one); }

    void operator()(rtnl_cls* filter) const { rtnl_cls_put(filter); }

    void operator()(rtnl_act* action) const { rtnl_act_put(action); }
};

using Qdisc = std::unique_ptr<rtnl_qdisc, Put>;
using Class = std::unique_ptr<rtnl_class, Put>;
using Filter = std::unique_ptr<rtnl_cls, Put>;
using Action = std::unique_ptr<rtnl_act, Put>;

// From newer kernels than the headers may be of.
constexpr int kNetemSeed = 14;  // TCA_NETEM_PRNG_SEED, Linux 6.7

// Faster than anything: with a rate netem keeps the order of packets whatever their jitter,
// for each starts where the last one ended.
constexpr std::uint64_t kOrderKeepingRate = 1'000'000'000'000'000;

constexpr std::uint32_t kEgress = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
constexpr std::uint32_t kIngress = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);

// Filters are asked in the order of these.
constexpr std::uint16_t kProgramPriority = 1;
constexpr std::uint16_t kHashPriority4 = 1;
constexpr std::uint16_t kNeighbourPriority = 2;
constexpr std::uint16_t kHashPriority6 = 3;
constexpr std::uint16_t kRestPriority4 = 10;
constexpr std::uint16_t kRestPriority6 = 11;
constexpr std::uint16_t kArpPriority = 12;
constexpr std::uint16_t kOthersPriority = 13;
constexpr std::uint16_t kDropPriority = 1;

constexpr int kDestinationOffset4 = 16;  // in the IP header
constexpr int kDestinationOffset6 = 24;
// Any frame has bytes there, whatever is behind it.
constexpr int kLinkHeader = -ETH_HLEN;
constexpr std::uint32_t kBuckets = 256;

constexpr std::uint32_t table_of(bool v6) {
    return v6 ? 2 : 1;
}

// libnl fails only for want of memory, and for what we never ask.
void must(int status) {
    PLEAT_ASSERT(status >= 0);
}

Qdisc new_qdisc(int interface, std::uint32_t parent, std::uint32_t handle, const char* kind) {
    Qdisc qdisc{rtnl_qdisc_alloc()};
    PLEAT_ASSERT(qdisc != nullptr);
    rtnl_tc* tc = TC_CAST(qdisc.get());
    rtnl_tc_set_ifindex(tc, interface);
    rtnl_tc_set_parent(tc, parent);
    rtnl_tc_set_handle(tc, handle);
    must(rtnl_tc_set_kind(tc, kind));
    return qdisc;
}

NetlinkMessage request(const Qdisc& qdisc) {
    nl_msg* message = nullptr;
    must(rtnl_qdisc_build_add_request(qdisc.get(), NLM_F_CREATE | NLM_F_REPLACE, &message));
    return NetlinkMessage{message};
}

Filter new_filter(int interface, std::uint32_t parent, std::uint16_t priority,
                  std::uint16_t protocol) {
    Filter filter{rtnl_cls_alloc()};
    PLEAT_ASSERT(filter != nullptr);
    rtnl_tc* tc = TC_CAST(filter.get());
    rtnl_tc_set_ifindex(tc, interface);
    rtnl_tc_set_parent(tc, parent);
    must(rtnl_tc_set_kind(tc, "u32"));
    rtnl_cls_set_prio(filter.get(), priority);
    rtnl_cls_set_protocol(filter.get(), protocol);
    return filter;
}

NetlinkMessage request(const Filter& filter) {
    nl_msg* message = nullptr;
    must(rtnl_cls_build_add_request(filter.get(), NLM_F_CREATE, &message));
    return NetlinkMessage{message};
}

nlattr* options_of(nl_msg* message) {
    nlattr* options = nlmsg_find_attr(nlmsg_hdr(message), sizeof(tcmsg), TCA_OPTIONS);
    PLEAT_ASSERT(options != nullptr);
    return options;
}

// Appends attributes to the options, a message's last attribute: `put_attributes` puts them
// at its end. (libnl 3.7 counts netem's inner attributes twice: the message is longer than
// what is in it.)
template <typename PutAttributes>
void extend_options(nl_msg* message, std::size_t room, PutAttributes put_attributes) {
    const std::size_t wanted = nlmsg_hdr(message)->nlmsg_len + room;
    if (wanted > nlmsg_get_max_size(message)) must(nlmsg_expand(message, wanted));
    nlattr* options = options_of(message);
    nlmsghdr* header = nlmsg_hdr(message);
    const auto end = static_cast<std::uint32_t>(reinterpret_cast<const char*>(options) -
                                                reinterpret_cast<const char*>(header)) +
                     static_cast<std::uint32_t>(NLA_ALIGN(options->nla_len));
    PLEAT_ASSERT(end <= NLMSG_ALIGN(header->nlmsg_len));
    header->nlmsg_len = end;
    put_attributes();
    options->nla_len = static_cast<std::uint16_t>(NLA_ALIGN(options->nla_len) +
                                                  NLMSG_ALIGN(header->nlmsg_len) - end);
}

tcmsg header_of(int interface, std::uint32_t parent, std::uint32_t handle) {
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = interface;
    header.tcm_parent = parent;
    header.tcm_handle = handle;
    return header;
}

NetlinkMessage plain(int type, int flags, const tcmsg& header) {
    NetlinkMessage message = RouteSocket::message(type, flags);
    must(nlmsg_append(message.get(), const_cast<tcmsg*>(&header), sizeof header, NLMSG_ALIGNTO));
    return message;
}

// libnl's rate table is of no use to the kernel when it knows the link layer, and looking it
// up costs more than all the rest; libnl has no call to say it.
void say_link_layer(nl_msg* message) {
    nlattr* parameters = nla_find(static_cast<nlattr*>(nla_data(options_of(message))),
                                  nla_len(options_of(message)), TCA_HTB_PARMS);
    PLEAT_ASSERT(parameters != nullptr);
    auto* options = static_cast<tc_htb_opt*>(nla_data(parameters));
    options->rate.linklayer = TC_LINKLAYER_ETHERNET;
    options->ceil.linklayer = TC_LINKLAYER_ETHERNET;
}

NetlinkMessage htb_class(int interface, std::uint32_t parent, std::uint32_t classid,
                         std::uint64_t rate, std::uint32_t rate_burst, const ClassShape& shape) {
    const Class one{rtnl_class_alloc()};
    PLEAT_ASSERT(one != nullptr);
    rtnl_tc* tc = TC_CAST(one.get());
    rtnl_tc_set_ifindex(tc, interface);
    rtnl_tc_set_parent(tc, parent);
    rtnl_tc_set_handle(tc, classid);
    must(rtnl_tc_set_kind(tc, "htb"));
    rtnl_tc_set_mtu(tc, 1600);
    rtnl_tc_set_overhead(tc, shape.overhead_bytes);
    must(rtnl_htb_set_rate64(one.get(), rate));
    must(rtnl_htb_set_ceil64(one.get(), shape.ceil_bytes_per_sec));
    must(rtnl_htb_set_rbuffer(one.get(), rate_burst));
    must(rtnl_htb_set_cbuffer(one.get(), shape.burst_bytes));
    must(rtnl_htb_set_quantum(one.get(), shape.quantum_bytes));
    nl_msg* message = nullptr;
    must(rtnl_class_build_add_request(one.get(), NLM_F_CREATE, &message));
    say_link_layer(message);
    return NetlinkMessage{message};
}

// A filter of the hash table: `bucket` by the last byte of the address.
void place(rtnl_cls* filter, bool v6, std::uint8_t bucket, std::uint16_t item,
           std::uint32_t classid) {
    const std::uint32_t table = table_of(v6);
    rtnl_u32_set_handle(filter, static_cast<int>(table), bucket, item);
    must(rtnl_u32_set_hashtable(filter, (table << 20U) | (std::uint32_t{bucket} << 12U)));
    must(rtnl_u32_set_classid(filter, classid));
    must(rtnl_u32_set_cls_terminal(filter));
}

}  // namespace

NetlinkMessage TcMessages::htb() const {
    const Qdisc qdisc = new_qdisc(interface_, TC_H_ROOT, kHtb, "htb");
    must(rtnl_htb_set_defcls(qdisc.get(), TC_H_MIN(kDefaultClass)));
    return request(qdisc);
}

NetlinkMessage TcMessages::uplink(std::uint32_t classid, const ClassShape& shape) const {
    return htb_class(interface_, kHtb, classid, shape.ceil_bytes_per_sec, shape.burst_bytes, shape);
}

NetlinkMessage TcMessages::destination(std::uint16_t minor, std::uint32_t uplink,
                                       const ClassShape& shape) const {
    // HTB grants each class its own rate whatever its parent has left: let it be nothing, one
    // byte a second.
    return htb_class(interface_, uplink, class_id(minor), 1, 1, shape);
}

NetlinkMessage TcMessages::netem(std::uint32_t parent, std::uint32_t handle,
                                 const NetemShape& shape, std::uint64_t seed) const {
    const Qdisc qdisc = new_qdisc(interface_, parent, handle, "netem");
    rtnl_netem_set_limit(qdisc.get(), static_cast<int>(shape.limit_packets));
    rtnl_netem_set_loss(qdisc.get(), static_cast<int>(shape.loss));
    rtnl_netem_set_duplicate(qdisc.get(), static_cast<int>(shape.duplicate));
    // libnl's delay and jitter are microseconds; the exact ones follow. It refuses to
    // reorder, or to take a table, without them.
    rtnl_netem_set_delay(qdisc.get(), 1);
    if (shape.reorder > 0) {
        rtnl_netem_set_gap(qdisc.get(), 1);
        rtnl_netem_set_reorder_probability(qdisc.get(), static_cast<int>(shape.reorder));
    }
    const JitterTable table = jitter_table(shape.distribution);
    if (shape.jitter > Duration::zero()) {
        // Always: netem keeps the table that it had.
        rtnl_netem_set_jitter(qdisc.get(), 1);
        must(rtnl_netem_set_delay_distribution_data(qdisc.get(), table.values.data(),
                                                    table.values.size()));
    }
    NetlinkMessage message = request(qdisc);
    extend_options(message.get(), 256, [&] {
        nl_msg* raw = message.get();
        // Also when zero, for netem keeps what it is not told.
        tc_netem_corrupt corrupt{};
        corrupt.probability = shape.corrupt;
        must(nla_put(raw, TCA_NETEM_CORRUPT, sizeof corrupt, &corrupt));
        if (shape.burst_loss) {
            nlattr* loss = nla_nest_start(raw, TCA_NETEM_LOSS);
            PLEAT_ASSERT(loss != nullptr);
            tc_netem_gemodel model{};
            model.p = shape.burst_loss->p;
            model.r = shape.burst_loss->r;
            model.h = shape.burst_loss->h;
            model.k1 = shape.burst_loss->k1;
            must(nla_put(raw, NETEM_LOSS_GE, sizeof model, &model));
            nla_nest_end(raw, loss);
        }
        must(nla_put_u64(raw, TCA_NETEM_RATE64, kOrderKeepingRate));
        must(
            nla_put_u64(raw, TCA_NETEM_LATENCY64, static_cast<std::uint64_t>(shape.delay.count())));
        must(nla_put_u64(raw, TCA_NETEM_JITTER64,
                         static_cast<std::uint64_t>(shape.jitter.count() * table.multiple)));
        must(nla_put_u64(raw, kNetemSeed, seed));
    });
    return message;
}

NetlinkMessage TcMessages::byte_queue(std::uint32_t parent, std::uint32_t handle,
                                      std::uint32_t limit_bytes) const {
    const Qdisc qdisc = new_qdisc(interface_, parent, handle, "bfifo");
    must(rtnl_qdisc_fifo_set_limit(qdisc.get(), static_cast<int>(limit_bytes)));
    return request(qdisc);
}

NetlinkMessage TcMessages::packet_queue(std::uint32_t parent, std::uint32_t handle,
                                        std::uint32_t limit_packets) const {
    const Qdisc qdisc = new_qdisc(interface_, parent, handle, "pfifo");
    must(rtnl_qdisc_fifo_set_limit(qdisc.get(), static_cast<int>(limit_packets)));
    return request(qdisc);
}

NetlinkMessage TcMessages::clsact() const {
    return request(new_qdisc(interface_, TC_H_CLSACT, TC_H_MAKE(TC_H_CLSACT, 0), "clsact"));
}

NetlinkMessage TcMessages::remove_qdisc(std::uint32_t parent, std::uint32_t handle) const {
    return plain(RTM_DELQDISC, 0, header_of(interface_, parent, handle));
}

NetlinkMessage TcMessages::program(bool egress, int descriptor, const std::string& name,
                                   std::uint16_t source) const {
    tcmsg header = header_of(interface_, egress ? kEgress : kIngress, 1);
    header.tcm_info = TC_H_MAKE(std::uint32_t{kProgramPriority} << 16U, htons(ETH_P_ALL));
    NetlinkMessage message = plain(RTM_NEWTFILTER, NLM_F_CREATE, header);
    must(nla_put_string(message.get(), TCA_KIND, "bpf"));
    nlattr* options = nla_nest_start(message.get(), TCA_OPTIONS);
    PLEAT_ASSERT(options != nullptr);
    must(nla_put_u32(message.get(), TCA_BPF_FD, static_cast<std::uint32_t>(descriptor)));
    must(nla_put_string(message.get(), TCA_BPF_NAME, name.c_str()));
    must(nla_put_u32(message.get(), TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT));
    must(nla_put_u32(message.get(), TCA_BPF_CLASSID, handle_of(1, source)));
    nla_nest_end(message.get(), options);
    return message;
}

NetlinkMessage TcMessages::remove_program(bool egress) const {
    tcmsg header = header_of(interface_, egress ? kEgress : kIngress, 1);
    header.tcm_info = TC_H_MAKE(std::uint32_t{kProgramPriority} << 16U, htons(ETH_P_ALL));
    NetlinkMessage message = plain(RTM_DELTFILTER, 0, header);
    must(nla_put_string(message.get(), TCA_KIND, "bpf"));
    return message;
}

NetlinkMessage TcMessages::all_egress_filters() const {
    return plain(RTM_GETTFILTER, 0, header_of(interface_, kEgress, 0));
}

bool TcMessages::is_ours(std::uint32_t info) {
    return info == TC_H_MAKE(std::uint32_t{kProgramPriority} << 16U, htons(ETH_P_ALL));
}

NetlinkMessage TcMessages::u32_table(bool v6) const {
    const Filter filter = new_filter(interface_, kHtb, v6 ? kHashPriority6 : kHashPriority4,
                                     v6 ? ETH_P_IPV6 : ETH_P_IP);
    rtnl_u32_set_handle(filter.get(), static_cast<int>(table_of(v6)), 0, 0);
    must(rtnl_u32_set_divisor(filter.get(), kBuckets));
    return request(filter);
}

NetlinkMessage TcMessages::u32_hash(bool v6) const {
    const Filter filter = new_filter(interface_, kHtb, v6 ? kHashPriority6 : kHashPriority4,
                                     v6 ? ETH_P_IPV6 : ETH_P_IP);
    const int last_word = v6 ? kDestinationOffset6 + 12 : kDestinationOffset4;
    must(rtnl_u32_add_key_uint32(filter.get(), 0, 0, last_word, 0));
    must(rtnl_u32_set_hashmask(filter.get(), kBuckets - 1, static_cast<std::uint32_t>(last_word)));
    must(rtnl_u32_set_link(filter.get(), table_of(v6) << 20U));
    return request(filter);
}

NetlinkMessage TcMessages::u32_destination(std::uint32_t address, std::uint32_t classid,
                                           std::uint16_t item) const {
    const Filter filter = new_filter(interface_, kHtb, kHashPriority4, ETH_P_IP);
    must(rtnl_u32_add_key_uint32(filter.get(), address, 0xffffffff, kDestinationOffset4, 0));
    place(filter.get(), false, static_cast<std::uint8_t>(address & 0xffU), item, classid);
    return request(filter);
}

NetlinkMessage TcMessages::u32_destination(const std::array<std::uint8_t, 16>& address,
                                           std::uint32_t classid, std::uint16_t item) const {
    const Filter filter = new_filter(interface_, kHtb, kHashPriority6, ETH_P_IPV6);
    for (std::size_t word = 0; word < 4; ++word) {
        std::uint32_t value = 0;
        std::memcpy(&value, address.data() + 4 * word, sizeof value);
        must(rtnl_u32_add_key_uint32(filter.get(), ntohl(value), 0xffffffff,
                                     kDestinationOffset6 + static_cast<int>(4 * word), 0));
    }
    place(filter.get(), true, address[15], item, classid);
    return request(filter);
}

NetlinkMessage TcMessages::u32_neighbours(std::uint8_t icmp_type, bool grouped) const {
    const Filter filter = new_filter(interface_, kHtb, kNeighbourPriority, ETH_P_IPV6);
    constexpr int kNextHeader = 6;
    const int type_at = grouped ? 48 : 40;
    must(rtnl_u32_add_key_uint8(filter.get(), grouped ? IPPROTO_HOPOPTS : IPPROTO_ICMPV6, 0xff,
                                kNextHeader, 0));
    must(rtnl_u32_add_key_uint8(filter.get(), icmp_type, 0xff, type_at, 0));
    must(rtnl_u32_set_classid(filter.get(), kDefaultClass));
    must(rtnl_u32_set_cls_terminal(filter.get()));
    return request(filter);
}

NetlinkMessage TcMessages::u32_rest(bool v6, std::uint32_t classid) const {
    const Filter filter = new_filter(interface_, kHtb, v6 ? kRestPriority6 : kRestPriority4,
                                     v6 ? ETH_P_IPV6 : ETH_P_IP);
    must(rtnl_u32_add_key_uint32(filter.get(), 0, 0, 0, 0));
    must(rtnl_u32_set_classid(filter.get(), classid));
    must(rtnl_u32_set_cls_terminal(filter.get()));
    return request(filter);
}

NetlinkMessage TcMessages::u32_arp() const {
    const Filter filter = new_filter(interface_, kHtb, kArpPriority, ETH_P_ARP);
    must(rtnl_u32_add_key_uint32(filter.get(), 0, 0, kLinkHeader, 0));
    must(rtnl_u32_set_classid(filter.get(), kDefaultClass));
    must(rtnl_u32_set_cls_terminal(filter.get()));
    return request(filter);
}

NetlinkMessage TcMessages::u32_others(std::uint32_t classid) const {
    const Filter filter = new_filter(interface_, kHtb, kOthersPriority, ETH_P_ALL);
    must(rtnl_u32_add_key_uint32(filter.get(), 0, 0, kLinkHeader, 0));
    must(rtnl_u32_set_classid(filter.get(), classid));
    must(rtnl_u32_set_cls_terminal(filter.get()));
    return request(filter);
}

NetlinkMessage TcMessages::ingress_drop() const {
    const Filter filter = new_filter(interface_, kIngress, kDropPriority, ETH_P_ALL);
    must(rtnl_u32_add_key_uint32(filter.get(), 0, 0, 0, 0));
    must(rtnl_u32_set_cls_terminal(filter.get()));
    const Action drop{rtnl_act_alloc()};
    PLEAT_ASSERT(drop != nullptr);
    must(rtnl_tc_set_kind(TC_CAST(drop.get()), "gact"));
    must(rtnl_gact_set_action(drop.get(), TC_ACT_SHOT));
    must(rtnl_u32_add_action(filter.get(), drop.get()));
    return request(filter);
}

NetlinkMessage TcMessages::remove_ingress_drop() const {
    tcmsg header = header_of(interface_, kIngress, 0);
    header.tcm_info = TC_H_MAKE(std::uint32_t{kDropPriority} << 16U, htons(ETH_P_ALL));
    return plain(RTM_DELTFILTER, 0, header);
}

NetlinkMessage TcMessages::gso_segments(std::uint32_t most) const {
    ifinfomsg header{};
    header.ifi_family = AF_UNSPEC;
    header.ifi_index = interface_;
    NetlinkMessage message = RouteSocket::message(RTM_NEWLINK, 0);
    must(nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO));
    must(nla_put_u32(message.get(), IFLA_GSO_MAX_SEGS, most));
    return message;
}

NetlinkMessage TcMessages::read_class(std::uint32_t classid) const {
    return plain(RTM_GETTCLASS, NLM_F_ECHO, header_of(interface_, 0, classid));
}

NetlinkMessage TcMessages::read_qdisc(std::uint32_t parent, std::uint32_t handle) const {
    return plain(RTM_GETQDISC, NLM_F_ECHO, header_of(interface_, parent, handle));
}

NetlinkMessage TcMessages::all_classes() const {
    return plain(RTM_GETTCLASS, 0, header_of(interface_, 0, 0));
}

NetlinkMessage TcMessages::all_qdiscs() const {
    return plain(RTM_GETQDISC, 0, header_of(interface_, 0, 0));
}

}  // namespace pleat
