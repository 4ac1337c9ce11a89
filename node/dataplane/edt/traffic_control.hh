// TrafficControl: the qdiscs and filters of one interface, one request a call.
// libnl has no calls for fq, clsact and cls_bpf: their attributes are appended here.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <linux/netlink.h>

#include "node/netlink/route_socket.hh"

namespace pleat {

// A qdisc as the kernel describes it.
struct QdiscFound {
    std::string kind;
    std::uint32_t handle = 0;  // 0: the interface's default, which nobody asked for
    std::uint32_t parent = 0;
    std::vector<char> options;
};

struct FilterFound {
    std::string kind;
    std::string name;  // of a BPF filter
    std::uint16_t preference = 0;
    std::uint32_t classid = 0;  // of a BPF filter
};

enum class ClsactSide : std::uint8_t { ingress, egress };

// Handles of the edt plane's fq. Two, for a new one in place of the old one drops what waits there.
constexpr std::array<std::uint16_t, 2> kFqMajors{0xed70, 0xed71};
// Of the planes' filters: they run before anybody else's.
constexpr std::uint16_t kFilterPreference = 1;

class TrafficControl {
  public:
    // Throws Failure when the namespace has no such interface.
    TrafficControl(int network_namespace, std::string interface);

    const std::string& interface() const { return interface_; }

    int index() const { return index_; }

    // Each returns 0 or an errno, or throws Failure that says what was attempted.

    // At the root, under the handle MAJOR:0; EEXIST when there is a qdisc that somebody
    // asked for.
    int add_fq(std::uint16_t major, std::uint32_t packet_limit);
    // In place of whatever is there; under a new handle the old one's packets are dropped.
    void replace_by_fq(std::uint16_t major, std::uint32_t packet_limit);
    void change_fq(std::uint16_t major, std::uint32_t packet_limit);  // keeps its packets
    void put_back(const QdiscFound& root);
    void remove_root(std::uint16_t major);

    int add_clsact();
    void remove_clsact();

    int add_filter(ClsactSide side, std::uint16_t preference, int program, const std::string& name,
                   std::uint32_t classid);
    void remove_filter(ClsactSide side, std::uint16_t preference);

    std::vector<QdiscFound> qdiscs();
    // Of an fq; 0 when the kernel doesn't say.
    static std::uint32_t packet_limit(const QdiscFound& fq);
    std::vector<FilterFound> filters(ClsactSide side);

    std::optional<std::uint32_t> gso_max_segments();
    void set_gso_max_segments(std::uint32_t segments);

    // Requests, for whoever sends them.
    NetlinkMessage root_removal(std::uint16_t major) const;
    NetlinkMessage clsact_removal() const;
    NetlinkMessage filter_removal(ClsactSide side, std::uint16_t preference) const;
    NetlinkMessage putting_back(const QdiscFound& root) const;
    NetlinkMessage gso_limit(std::uint32_t segments) const;

    // What the kernel said about the latest refusal, or an empty text.
    const std::string& why() const { return socket_.why(); }

  private:
    NetlinkMessage fq_request(int flags, std::uint16_t major, std::uint32_t packet_limit) const;
    // "cannot WHAT on INTERFACE: …"
    void perform(const std::string& what, nl_msg* message);
    void dump(nl_msg* request, const std::function<void(nlmsghdr&)>& take);

    RouteSocket socket_;
    std::string interface_;
    int index_;
};

}  // namespace pleat
