#include "node/machine_interface.hh"

#include <algorithm>
#include <memory>
#include <optional>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/pkt_sched.h>
#include <netinet/in.h>
#include <netlink/msg.h>

#include "base/error.hh"
#include "base/log.hh"
#include "node/dataplane/edt/traffic_control.hh"
#include "node/dataplane/netem/tc_messages.hh"

namespace pleat {

namespace {

std::vector<InterfaceAddress> interface_addresses() {
    ifaddrs* all = nullptr;
    check("cannot list this machine's addresses", ::getifaddrs(&all));
    const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner{all, &::freeifaddrs};
    std::vector<InterfaceAddress> result;
    for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
        if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as its family says
        const auto* const address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
        const std::uint32_t ipv4 = ntohl(address->sin_addr.s_addr);
        if ((ipv4 >> 24U) == 127) continue;
        result.push_back({.interface = one->ifa_name, .ipv4 = ipv4});
    }
    return result;
}

std::string bytes_of(const NetlinkMessage& message) {
    const nlmsghdr* const header = nlmsg_hdr(message.get());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes of a message
    return {reinterpret_cast<const char*>(header), header->nlmsg_len};
}

// Of another run, whose filters carry its mark, or in our filters' place.
void refuse_filters(TrafficControl& control) {
    for (const ClsactSide side : {ClsactSide::egress, ClsactSide::ingress}) {
        for (const FilterFound& one : control.filters(side)) {
            if (one.name.starts_with("pleat")) {
                throw Failure{"interface " + control.interface() + " is shaped already ('" +
                              one.name +
                              "'): end that run, or `pleat clean` when nobody runs it any more"};
            }
            if (one.preference != kFilterPreference) continue;
            throw Failure{"interface " + control.interface() + " has a filter ('" + one.kind +
                          "') of preference " + std::to_string(kFilterPreference) +
                          " at clsact, where pleat's must be: give it another preference"};
        }
    }
}

std::vector<ControlEnd> ends_of(const ControlConnections& control) {
    std::vector<std::string> texts{control.controller, control.way, control.own.states,
                                   control.own.snapshots};
    for (const Peer& peer : control.peers) {
        texts.insert(texts.end(), {peer.way, peer.address.states, peer.address.snapshots});
    }
    std::vector<ControlEnd> ends;
    for (const std::string& text : texts) {
        if (const auto end = parse_control_end(text)) ends.push_back(*end);
    }
    return ends;
}

}  // namespace

std::optional<BareMetal> OwnMachine::bare_metal() const {
    if (!is_host()) return {};
    return BareMetal{.spared_ports = spared_ports};
}

OwnMachine own_machine(const Scenario& scenario, const AddressPlan& addresses,
                       const std::vector<HostId>& hosts, const ControlConnections& control) {
    if (addresses.own.empty() || hosts.empty()) return {};
    const Result<std::string> found =
        interface_with(addresses.ipv4(hosts.front()), scenario.topology.host(hosts.front()).name,
                       interface_addresses());
    if (!found) throw Failure{found.error().message};
    return {.interface = *found,
            .spared_ports = spared_ports(ends_of(control), addresses, control.more)};
}

void note_interface(const std::string& interface, const std::string& runtime_directory) {
    TrafficControl control{-1, interface};
    refuse_filters(control);
    InterfaceUndo undo{.interface = interface,
                       .index = static_cast<unsigned>(control.index()),
                       .network_namespace = this_network_namespace(),
                       .ours = {},
                       .then = {}};
    for (const std::uint16_t major :
         {kFqMajors[0], kFqMajors[1], static_cast<std::uint16_t>(kHtbMajor)}) {
        undo.ours.push_back(bytes_of(control.root_removal(major)));
    }
    const std::vector<QdiscFound> qdiscs = control.qdiscs();
    if (std::ranges::find(qdiscs, TC_H_CLSACT, &QdiscFound::parent) == qdiscs.end()) {
        undo.then.push_back(bytes_of(control.clsact_removal()));
    } else {
        for (const ClsactSide side : {ClsactSide::egress, ClsactSide::ingress}) {
            undo.then.push_back(bytes_of(control.filter_removal(side, kFilterPreference)));
        }
    }
    for (const QdiscFound& one : qdiscs) {
        if (one.parent != TC_H_ROOT || one.handle == 0) continue;
        undo.then.push_back(bytes_of(control.putting_back(one)));
    }
    if (const auto segments = control.gso_max_segments()) {
        undo.then.push_back(bytes_of(control.gso_limit(*segments)));
    }
    write_interface_undo(runtime_directory, undo);
    log::info("this machine's own interface is shaped interface={}", interface);
}

void settle_interface(const std::string& runtime_directory) {
    try {
        if (const auto left = undo_interface(runtime_directory)) {
            log::warn("the data plane had left something on interface={}", *left);
        }
    } catch (const std::exception& problem) {
        log::error("{}", problem.what());
    }
}

}  // namespace pleat
