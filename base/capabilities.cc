#include "base/capabilities.hh"

#include <array>
#include <cstdio>
#include <cstring>
#include <functional>

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file_descriptor.hh"
#include "base/files.hh"
#include "base/namespaces.hh"
#include "base/process.hh"

namespace pleat {

namespace {

// Does `attempt` in a child process, so that nothing of it stays; what it throws or
// returns is the problem, an empty text is success.
std::string problem_in_child(const std::function<std::string()>& attempt) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return "cannot make a pipe";
    const FileDescriptor reading{ends[0]};
    FileDescriptor writing{ends[1]};
    const pid_t pid = ::fork();
    if (pid < 0) return "cannot start a process: " + std::system_category().message(errno);
    if (pid == 0) {
        std::string problem = "-";
        try {
            problem += attempt();
        } catch (const std::exception& error) {
            problem += error.what();
        }
        static_cast<void>(!::write(writing.value(), problem.data(), problem.size()));
        ::_exit(0);
    }
    writing.close();
    std::array<char, 1024> text{};
    const ssize_t n = ::read(reading.value(), text.data(), text.size());
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (n <= 0) return "the attempt died";
    return {text.data() + 1, static_cast<std::size_t>(n - 1)};
}

std::string reason() {
    return std::system_category().message(errno);
}

// As pleat-node does it.
std::string make_network_namespace() {
    if (::geteuid() != 0) become_root_of_user_namespace();
    constexpr int kAll = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC;
    return ::unshare(kAll) == 0 ? "" : "cannot make namespaces: " + reason();
}

std::string make_tun() {
    if (std::string problem = make_network_namespace(); !problem.empty()) return problem;
    const FileDescriptor tun{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
    if (!tun.open()) return "cannot open /dev/net/tun: " + reason();
    ifreq request{};
    std::strncpy(request.ifr_name, "pleat0", IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    if (::ioctl(tun.value(), TUNSETIFF, &request) != 0) {
        return "cannot make a TUN interface: " + reason();
    }
    return "";
}

Probe found(std::string name, bool needed, const std::string& problem, const std::string& success,
            const std::string& hint) {
    Probe probe;
    probe.name = std::move(name);
    probe.needed = needed;
    probe.ok = problem.empty();
    probe.text = probe.ok ? success : problem;
    if (!probe.ok) probe.hint = hint;
    return probe;
}

Probe program(const std::string& name, const std::string& purpose) {
    const auto path = find_program(name);
    return found(name, false, path ? "" : "not found in PATH", path.value_or(""),
                 purpose + ": apt-get install " + name);
}

}  // namespace

Probe probe_kernel_release() {
    utsname facts{};
    if (::uname(&facts) != 0) return found("kernel", true, reason(), "", "");
    int major = 0;
    int minor = 0;
    // NOLINTNEXTLINE(cert-err34-c): what is not a number leaves 0, which is too old
    static_cast<void>(std::sscanf(facts.release, "%d.%d", &major, &minor));
    const bool new_enough = major > 5 || (major == 5 && minor >= 11);
    const std::string release = facts.release;
    return found("kernel", true, new_enough ? "" : release + " is older than 5.11", release,
                 "pleat needs Linux 5.11 or newer (epoll_pwait2, pidfds)");
}

Probe probe_user_namespaces() {
    const bool root = ::geteuid() == 0;
    const std::string problem = problem_in_child([root] {
        if (!root) {
            become_root_of_user_namespace();
            return std::string{};
        }
        return ::unshare(CLONE_NEWUSER) == 0 ? std::string{} : reason();
    });
    return found("user namespaces", !root, problem, "permitted",
                 "without root pleat needs them: sysctl kernel.unprivileged_userns_clone=1, "
                 "user.max_user_namespaces above 0, and on Ubuntu "
                 "kernel.apparmor_restrict_unprivileged_userns=0; or run as root");
}

Probe probe_network_namespaces() {
    return found("network namespaces", true, problem_in_child(make_network_namespace), "permitted",
                 ::geteuid() == 0 ? "pleat needs CAP_SYS_ADMIN; in a container: --privileged"
                                  : "run as root, or permit user namespaces");
}

Probe probe_tun() {
    return found("/dev/net/tun", true, problem_in_child(make_tun), "TUN interfaces can be made",
                 ::access("/dev/net/tun", F_OK) != 0
                     ? "modprobe tun; in a container: --device /dev/net/tun"
                     : "run as root, or chmod 0666 /dev/net/tun (the default of Debian's udev)");
}

Probe probe_congestion_controls() {
    const auto read_line = [](const std::string& name) {
        std::string text = read_file("/proc/sys/net/ipv4/" + name).value_or("");
        while (text.ends_with('\n')) text.pop_back();
        return text;
    };
    const std::string allowed = read_line("tcp_allowed_congestion_control");
    const std::string used = read_line("tcp_congestion_control");
    return found("TCP congestion control", false, allowed.empty() ? "unknown" : "",
                 "default " + used + "; applications may choose: " + allowed,
                 "/proc/sys/net/ipv4 cannot be read");
}

Probe probe_slirp4netns() {
    return program("slirp4netns", "'pleat shell' and @outside reach the machine's network by it");
}

Probe probe_iperf3() {
    return program("iperf3", "the examples in topologies/ run it");
}

std::vector<Probe> probe_machine() {
    return {probe_kernel_release(),
            probe_user_namespaces(),
            probe_network_namespaces(),
            probe_tun(),
            probe_congestion_controls(),
            probe_slirp4netns(),
            probe_iperf3()};
}

}  // namespace pleat
