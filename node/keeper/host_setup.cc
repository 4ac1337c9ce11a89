#include "node/keeper/host_setup.hh"

#include <algorithm>
#include <array>
#include <utility>

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/files.hh"

namespace pleat::keeper {

namespace {

std::string reason() {
    return std::system_category().message(errno);
}

void note(std::string& notes, const std::string& text) {
    if (!notes.empty()) notes += "; ";
    notes += text;
}

// "net.ipv4.tcp_rmem" and "net/ipv4/tcp_rmem" are the same; a '/' in the first form
// stands for a '.' in an interface's name, as sysctl(8) has it.
std::string sysctl_path(std::string key) {
    const bool dotted = key.find('.') < key.find('/');
    if (dotted) {
        for (char& c : key) c = c == '.' ? '/' : c == '/' ? '.' : c;
    }
    return "/proc/sys/" + key;
}

using Sysctl = std::pair<const char*, const char*>;

// The host is silent unless its applications speak, and long fat paths can be filled.
// `default` is what the interface to come inherits.
constexpr std::array<Sysctl, 10> kSysctls{{
    {"net/ipv6/conf/default/accept_dad", "0"},
    {"net/ipv6/conf/default/dad_transmits", "0"},
    {"net/ipv6/conf/default/accept_ra", "0"},
    {"net/ipv6/conf/default/autoconf", "0"},
    {"net/ipv6/conf/default/router_solicitations", "0"},
    {"net/ipv6/conf/default/addr_gen_mode", "1"},  // no link-local address
    {"net/ipv4/ip_unprivileged_port_start", "0"},
    {"net/ipv4/tcp_rmem", "4096 131072 67108864"},
    {"net/ipv4/tcp_wmem", "4096 16384 67108864"},
    {"net/ipv4/ping_group_range", "0 2147483647"},
}};

constexpr std::array<Sysctl, 5> kOutsideSysctls{{
    {"net/ipv4/ip_forward", "1"},
    {"net/ipv4/conf/all/rp_filter", "0"},
    {"net/ipv4/conf/default/rp_filter", "0"},
    {"net/ipv4/conf/default/proxy_arp", "1"},
    {"net/ipv4/conf/default/send_redirects", "0"},
}};

}  // namespace

void enter_namespaces() {
    check_feature("cannot make the host's namespaces",
                  ::unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC));
    check("cannot make the host's mounts private",
          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
}

void name_host(const Setup& setup, std::string& notes) {
    check("cannot set the host name to " + setup.hostname,
          ::sethostname(setup.hostname.data(), setup.hostname.size()));
    // Refused in some containers; then /proc shows the machine's processes.
    if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
        note(notes, "no /proc of its own: " + reason());
    }
    for (const char* const name : {"hosts", "resolv.conf", "gai.conf"}) {
        const std::string source = setup.etc + "/" + name;
        const std::string target = std::string{"/etc/"} + name;
        // A file that the machine does not have can't be mounted on.
        if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
            note(notes, "no " + target + " of its own: " + reason());
        }
    }
}

void set_sysctls(const Setup& setup, std::string& notes) {
    const auto set = [&notes](const Sysctl& sysctl) {
        const auto& [key, value] = sysctl;
        const std::string path = std::string{"/proc/sys/"} + key;
        if (::access(path.c_str(), F_OK) != 0) return;  // a kernel without IPv6, say
        if (!write_existing(path, value)) return;
        // Without root only one's own group can be named.
        const bool ping = std::string_view{key}.ends_with("ping_group_range");
        if (ping && !write_existing(path, "0 0")) return;
        note(notes, std::string{key} + " is as the machine has it");
    };
    std::for_each(kSysctls.begin(), kSysctls.end(), set);
    if (setup.outside) std::for_each(kOutsideSysctls.begin(), kOutsideSysctls.end(), set);
    for (const auto& [key, value] : setup.sysctls) {
        if (key.find("..") != std::string::npos) {
            throw Failure{"sysctl '" + key + "' is not a name"};
        }
        if (const auto error = write_existing(sysctl_path(key), value)) {
            throw Failure{"sysctl '" + key + "' was refused: " + error->message};
        }
    }
}

}  // namespace pleat::keeper
