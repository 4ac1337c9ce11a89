#include "node/underlay/underlay.hh"

#include <array>
#include <exception>
#include <string>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/files.hh"
#include "base/log.hh"
#include "node/netlink/in_namespace.hh"
#include "node/netlink/route_batch.hh"
#include "node/underlay/forwarding.hh"
#include "node/underlay/vxlan.hh"

namespace pleat {

namespace {

// Names of what is left.
constexpr const char* kProgram = "underlay program";
constexpr const char* kPorts = "underlay ports";

// A namespace inherits some of these from the machine.
constexpr std::array<std::pair<const char*, const char*>, 10> kSysctls{{
    {"net/ipv4/ip_forward", "1"},
    {"net/ipv4/conf/all/rp_filter", "0"},
    {"net/ipv4/conf/default/rp_filter", "0"},
    {"net/ipv4/conf/all/send_redirects", "0"},
    {"net/ipv4/conf/default/send_redirects", "0"},
    {"net/ipv6/conf/default/accept_dad", "0"},
    {"net/ipv6/conf/default/accept_ra", "0"},
    {"net/ipv6/conf/default/addr_gen_mode", "1"},  // no link-local addresses
    {"net/ipv6/conf/all/forwarding", "1"},
    {"net/ipv6/conf/default/forwarding", "1"},
}};

void set_sysctls() {
    for (const auto& [key, value] : kSysctls) {
        const std::string path = std::string{"/proc/sys/"} + key;
        if (::access(path.c_str(), F_OK) != 0) continue;  // a kernel without IPv6
        if (const auto error = write_existing(path, value)) {
            throw Failure{"cannot set up the underlay: " + error->message};
        }
    }
}

// Of rule (3): the last choice of all, so that an outside host's route goes before it.
void add_blackhole(RouteBatch& batch, std::uint8_t family) {
    rtmsg message{};
    message.rtm_family = family;
    message.rtm_table = RT_TABLE_MAIN;
    message.rtm_protocol = RTPROT_BOOT;
    message.rtm_scope = RT_SCOPE_UNIVERSE;
    message.rtm_type = RTN_BLACKHOLE;
    batch.request("cannot set the underlay's last route", RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
                  message);
    batch.attribute(RTA_PRIORITY, ~std::uint32_t{0});
}

FileDescriptor make_namespace() {
    check_feature("cannot make a network namespace", ::unshare(CLONE_NEWNET));
    FileDescriptor made{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
    check("cannot open the underlay's namespace", made.value());
    set_sysctls();
    RouteBatch batch;
    add_blackhole(batch, AF_INET);
    if (::access("/proc/sys/net/ipv6", F_OK) == 0) add_blackhole(batch, AF_INET6);
    batch.send(open_route_socket().value());
    return made;
}

}  // namespace

Underlay::Underlay() {
    std::exception_ptr failed;
    // The thread is in the namespace as long as it lives; we never are.
    std::thread{[this, &failed] {
        try {
            namespace_ = make_namespace();
        } catch (...) {
            failed = std::current_exception();
        }
    }}.join();
    if (failed) std::rethrow_exception(failed);
    open_forwarding();
}

Underlay::Underlay(FileDescriptor network_namespace, std::map<std::string, FileDescriptor> left)
    : namespace_{std::move(network_namespace)} {
    const auto program = left.find(kProgram);
    const auto ports = left.find(kPorts);
    if (program == left.end() || ports == left.end()) {
        open_forwarding();
        return;
    }
    forwarding_ = std::make_unique<Forwarding>(namespace_.value(), std::move(program->second),
                                               std::move(ports->second));
    goes_on_ = true;
}

Underlay::~Underlay() = default;

std::map<std::string, int> Underlay::leaves() const {
    if (!forwarding_) return {};
    return {{kProgram, forwarding_->program()}, {kPorts, forwarding_->ports()}};
}

void Underlay::open_forwarding() {
    try {
        forwarding_ = std::make_unique<Forwarding>(namespace_.value());
    } catch (const std::exception& error) {
        log::info(R"(hosts are joined by routing, TTLs are one less reason="{}")", error.what());
    }
}

void Underlay::lead_to(const keeper::Interface& interface) const {
    if (!forwarding_) return;
    try {
        forwarding_->add(interface);
    } catch (const std::exception& error) {
        log::warn(R"(packets of a host are routed, their TTLs one less host={} reason="{}")",
                  interface.host, error.what());
    }
}

void Underlay::reach(VxlanSettings settings) const {
    if (!forwarding_) {
        throw Failure{"the kernel takes no BPF program that leads packets to other machines"};
    }
    open_vxlan(std::move(settings), namespace_.value(), *forwarding_);
}

void Underlay::plug(const keeper::Interface& interface, int host) const {
    FileDescriptor routes;
    in_network_namespace(namespace_.value(), [&routes] { routes = open_route_socket(); });
    in_network_namespace(host, [this, &interface, &routes] {
        keeper::make_underlay_interface(interface, namespace_.value(), routes.value());
    });
    lead_to(interface);
}

}  // namespace pleat
