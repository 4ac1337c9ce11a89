#include "node/dataplane/netem/usage.hh"

#include <array>

#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

namespace pleat {

std::optional<TcStatistics> tc_statistics(const nlmsghdr& header) {
    if (header.nlmsg_type != RTM_NEWTCLASS && header.nlmsg_type != RTM_NEWQDISC) return {};
    std::array<nlattr*, TCA_MAX + 1> attributes{};
    auto* message = const_cast<nlmsghdr*>(&header);  // libnl's parser has no const
    if (nlmsg_parse(message, sizeof(tcmsg), attributes.data(), TCA_MAX, nullptr) < 0) return {};
    const auto* tc = static_cast<const tcmsg*>(nlmsg_data(&header));
    TcStatistics result{.is_class = header.nlmsg_type == RTM_NEWTCLASS,
                        .interface_index = tc->tcm_ifindex,
                        .handle = tc->tcm_handle,
                        .parent = tc->tcm_parent};
    if (attributes[TCA_STATS2] == nullptr) return result;
    std::array<nlattr*, TCA_STATS_MAX + 1> stats{};
    if (nla_parse_nested(stats.data(), TCA_STATS_MAX, attributes[TCA_STATS2], nullptr) < 0) {
        return result;
    }
    if (stats[TCA_STATS_BASIC] != nullptr) {
        gnet_stats_basic basic{};
        nla_memcpy(&basic, stats[TCA_STATS_BASIC], sizeof basic);
        result.bytes = basic.bytes;
        result.packets = basic.packets;
    }
    // Counts beyond 32 bits.
    if (stats[TCA_STATS_PKT64] != nullptr) result.packets = nla_get_u64(stats[TCA_STATS_PKT64]);
    if (stats[TCA_STATS_QUEUE] != nullptr) {
        gnet_stats_queue queue{};
        nla_memcpy(&queue, stats[TCA_STATS_QUEUE], sizeof queue);
        result.drops = queue.drops;
        result.queued_packets = queue.qlen;
        result.queued_bytes = queue.backlog;
    }
    if (result.is_class && stats[TCA_STATS_APP] != nullptr) {
        tc_htb_xstats own{};
        nla_memcpy(&own, stats[TCA_STATS_APP], sizeof own);
        result.throttled = static_cast<std::int32_t>(own.ctokens) < 0;
    }
    return result;
}

}  // namespace pleat
