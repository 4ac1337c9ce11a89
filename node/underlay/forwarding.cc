#include "node/underlay/forwarding.hh"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <poll.h>

#include "base/clock.hh"
#include "base/error.hh"
#include "node/dataplane/kernel/bpf_object.hh"
#include "node/netlink/in_namespace.hh"
#include "node/netlink/route_batch.hh"

// The program's bytes (bpf/CMakeLists.txt).
extern "C" {
extern const char pleat_bpf_underlay_begin[];  // NOLINT: of the linker
extern const char pleat_bpf_underlay_end[];    // NOLINT
}

namespace pleat {

namespace {

constexpr Duration kPatience = std::chrono::seconds{1};

void kind(RouteBatch& batch, const std::string& name) {
    batch.attribute(TCA_KIND, name.c_str(), name.size() + 1);
}

// Both replace what an earlier node has put there.
void put_at_ingress(RouteBatch& batch, std::uint32_t port, int program) {
    tcmsg qdisc{};
    qdisc.tcm_family = AF_UNSPEC;
    qdisc.tcm_ifindex = static_cast<int>(port);
    qdisc.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0U);
    qdisc.tcm_parent = TC_H_CLSACT;
    batch.request("cannot give clsact to an interface of the underlay", RTM_NEWQDISC, NLM_F_CREATE,
                  qdisc);
    kind(batch, "clsact");
    tcmsg filter = qdisc;
    filter.tcm_handle = 1;
    filter.tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
    filter.tcm_info = TC_H_MAKE(1U << 16U, std::uint32_t{htons(ETH_P_ALL)});
    batch.request("cannot give the BPF program to an interface of the underlay", RTM_NEWTFILTER,
                  NLM_F_CREATE, filter);
    kind(batch, "bpf");
    const std::size_t options = batch.begin_nest(TCA_OPTIONS);
    batch.attribute(TCA_BPF_FD, static_cast<std::uint32_t>(program));
    const std::string name = "pleat underlay";
    batch.attribute(TCA_BPF_NAME, name.c_str(), name.size() + 1);
    batch.attribute(TCA_BPF_FLAGS, std::uint32_t{TCA_BPF_FLAG_ACT_DIRECT});
    batch.end_nest(options);
}

// The kernel keeps a few entries ready, and makes more in an interrupt, which in User Mode Linux
// is the timer's.
template <typename Value>
void put_into(const FileDescriptor& map, const std::array<std::uint8_t, 16>& address,
              const Value& value, const std::string& what) {
    const Instant deadline = monotonic_now() + kPatience;
    while (bpf_map_update_elem(map.value(), address.data(), &value, BPF_ANY) != 0) {
        if (errno != ENOMEM || monotonic_now() > deadline) {
            throw Failure{"cannot tell the underlay's program of a " + what + ": " +
                          std::strerror(errno)};
        }
        ::poll(nullptr, 0, 1);
    }
}

std::array<std::uint8_t, 16> mapped(std::uint32_t ipv4_network_order) {
    std::array<std::uint8_t, 16> address{};
    address[10] = address[11] = 0xff;
    std::memcpy(address.data() + 12, &ipv4_network_order, sizeof ipv4_network_order);
    return address;
}

}  // namespace

Forwarding::Forwarding(int underlay) {
    BpfObject object{"the underlay", pleat_bpf_underlay_begin, pleat_bpf_underlay_end};
    object.load();
    program_ = object.program("underlay_forward");
    arrival_program_ = object.program("underlay_arrive");
    ports_ = object.map("ports");
    machines_ = object.map("machines");
    in_network_namespace(underlay, [this] { routes_ = open_route_socket(); });
}

Forwarding::Forwarding(int underlay, FileDescriptor program, FileDescriptor ports)
    : program_{std::move(program)}, ports_{std::move(ports)} {
    in_network_namespace(underlay, [this] { routes_ = open_route_socket(); });
}

void Forwarding::lead(const keeper::Interface& host, const underlay_port& port) const {
    put_into(ports_, mapped(htonl(host.ipv4)), port, "host");
    put_into(ports_, host.ipv6, port, "host");
    if (host.outside) put_into(ports_, {}, port, "host");
}

void Forwarding::trust(const boost::asio::ip::address& machine, std::uint32_t network) const {
    put_into(
        machines_,
        machine.is_v4() ? mapped(htonl(machine.to_v4().to_uint())) : machine.to_v6().to_bytes(),
        network, "machine");
}

void Forwarding::add(const keeper::Interface& interface) const {
    underlay_port port{};
    port.interface = keeper::port_index(interface.host);
    const std::array<std::uint8_t, 6> link_address = keeper::link_address(interface.host);
    std::memcpy(port.link_address, link_address.data(), link_address.size());
    lead(interface, port);
    RouteBatch batch;
    put_at_ingress(batch, port.interface, program_.value());
    batch.send(routes_.value());
}

void Forwarding::lead_elsewhere(const keeper::Interface& host, std::uint32_t device,
                                const std::array<std::uint8_t, 6>& machine) const {
    underlay_port port{};
    port.interface = device;
    port.flags = UNDERLAY_ELSEWHERE;
    std::memcpy(port.link_address, machine.data(), machine.size());
    lead(host, port);
}

void Forwarding::admit(std::uint32_t device) const {
    RouteBatch batch;
    put_at_ingress(batch, device, arrival_program_.value());
    batch.send(routes_.value());
}

}  // namespace pleat
