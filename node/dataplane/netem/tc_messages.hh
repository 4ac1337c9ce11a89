// Requests of traffic control, built with libnl. What libnl 3.7 has no call for is appended
// as attributes: see docs/design/netem.md.
//
// Handles of an interface (major:minor):
//     fffe:          the HTB                     1:     packets of the default class
//     fffe:ffff      default class               2:     netem of the class of the unknown
//     fffe:fffe      class of the unknown        3:     netem of the class of the unreachable
//     fffe:fffd      class of the unreachable    fffe:8000 + u   uplink u
//     fffe:M         destination of minor M, with netem 2M: and its queue 2M+1:
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "node/dataplane/netem/shape.hh"
#include "node/netlink/route_socket.hh"

namespace pleat {

constexpr std::uint32_t handle_of(std::uint32_t major, std::uint32_t minor = 0) {
    return (major << 16U) | minor;
}

constexpr std::uint32_t kHtbMajor = 0xfffe;
constexpr std::uint32_t kHtb = handle_of(kHtbMajor);
constexpr std::uint32_t kDefaultClass = handle_of(kHtbMajor, 0xffff);
constexpr std::uint32_t kUnknownClass = handle_of(kHtbMajor, 0xfffe);
constexpr std::uint32_t kUnreachableClass = handle_of(kHtbMajor, 0xfffd);
constexpr std::uint32_t kDefaultQueue = handle_of(1);
constexpr std::uint32_t kUnknownNetem = handle_of(2);
constexpr std::uint32_t kUnreachableNetem = handle_of(3);

// Minors of destinations: an HTB has 65,535 classes, and each destination needs two more
// handles, of 65,534.
constexpr std::uint16_t kFirstDestination = 2;
constexpr std::uint16_t kLastDestination = 0x7ffe;
constexpr std::uint16_t kFirstUplink = 0x8000;
constexpr std::uint16_t kLastUplink = 0xfff0;

constexpr std::uint32_t class_id(std::uint16_t minor) {
    return handle_of(kHtbMajor, minor);
}

constexpr std::uint32_t netem_id(std::uint16_t minor) {
    return handle_of(2U * minor);
}

constexpr std::uint32_t queue_id(std::uint16_t minor) {
    return handle_of(2U * minor + 1);
}

// Of one interface. Requests that make something change it when it is there already, in
// place: no packet is lost by that.
class TcMessages {
  public:
    explicit TcMessages(int interface_index) : interface_{interface_index} {}

    NetlinkMessage htb() const;
    // Rate = ceil; of the HTB itself.
    NetlinkMessage uplink(std::uint32_t classid, const ClassShape& shape) const;
    // Borrows everything from its uplink, up to the ceil.
    NetlinkMessage destination(std::uint16_t minor, std::uint32_t uplink,
                               const ClassShape& shape) const;
    // `seed` makes draws repeat, on kernels that take one (Linux 6.7).
    NetlinkMessage netem(std::uint32_t parent, std::uint32_t handle, const NetemShape& shape,
                         std::uint64_t seed) const;
    NetlinkMessage byte_queue(std::uint32_t parent, std::uint32_t handle,
                              std::uint32_t limit_bytes) const;
    NetlinkMessage packet_queue(std::uint32_t parent, std::uint32_t handle,
                                std::uint32_t limit_packets) const;
    NetlinkMessage clsact() const;
    NetlinkMessage remove_qdisc(std::uint32_t parent, std::uint32_t handle) const;

    // A BPF program, direct-action, at clsact's egress (or ingress). `source`: what the
    // program finds in tc_classid.
    NetlinkMessage program(bool egress, int descriptor, const std::string& name,
                           std::uint16_t source) const;
    NetlinkMessage remove_program(bool egress) const;
    NetlinkMessage all_egress_filters() const;  // a dump
    // Whether tcm_info of a filter at clsact is that of our program.
    static bool is_ours(std::uint32_t info);

    // Hashed u32 filters of the HTB. IPv4 addresses in host byte order.
    NetlinkMessage u32_table(bool v6) const;
    NetlinkMessage u32_hash(bool v6) const;
    NetlinkMessage u32_destination(std::uint32_t address, std::uint32_t classid,
                                   std::uint16_t item) const;
    NetlinkMessage u32_destination(const std::array<std::uint8_t, 16>& address,
                                   std::uint32_t classid, std::uint16_t item) const;
    // ICMPv6 of this type goes to the default class; `grouped`: behind a hop-by-hop option,
    // as the reports of groups are.
    NetlinkMessage u32_neighbours(std::uint8_t icmp_type, bool grouped) const;
    // IP packets to no host go to this class.
    NetlinkMessage u32_rest(bool v6, std::uint32_t classid) const;
    // ARP goes to the default class.
    NetlinkMessage u32_arp() const;
    // What no other filter takes goes to this class: other protocols, and whatever has a VLAN tag.
    NetlinkMessage u32_others(std::uint32_t classid) const;

    // Drops all that comes in, until it is removed.
    NetlinkMessage ingress_drop() const;
    NetlinkMessage remove_ingress_drop() const;

    NetlinkMessage gso_segments(std::uint32_t most) const;

    // Answers RTM_NEWTCLASS, RTM_NEWQDISC.
    NetlinkMessage read_class(std::uint32_t classid) const;
    NetlinkMessage read_qdisc(std::uint32_t parent, std::uint32_t handle) const;

    NetlinkMessage all_classes() const;  // a dump
    NetlinkMessage all_qdiscs() const;   // a dump; of the other interfaces, too

    int interface_index() const { return interface_; }

  private:
    int interface_;
};

}  // namespace pleat
