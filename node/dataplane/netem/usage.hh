// What the kernel says of a class or a qdisc.
#pragma once

#include <cstdint>
#include <optional>

#include <linux/netlink.h>

namespace pleat {

struct TcStatistics {
    bool is_class = false;
    int interface_index = 0;
    std::uint32_t handle = 0;
    std::uint32_t parent = 0;
    std::uint64_t bytes = 0;    // that left it
    std::uint64_t packets = 0;  // a GSO packet counts as its segments
    std::uint64_t drops = 0;
    std::uint32_t queued_packets = 0;
    std::uint32_t queued_bytes = 0;
    bool throttled = false;  // of an HTB class: it has sent ahead of its ceil
};

// Of an RTM_NEWTCLASS or RTM_NEWQDISC; nothing for others.
std::optional<TcStatistics> tc_statistics(const nlmsghdr& header);

}  // namespace pleat
