#include "tests/dataplane/tun_hosts.hh"

#include <array>
#include <csignal>
#include <cstring>
#include <exception>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pleat::testing {

namespace {

FileDescriptor open_tun() {
    FileDescriptor tun{
        check("open /dev/net/tun", ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC))};
    ifreq request{};
    std::strncpy(request.ifr_name, "eth0", IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    check("make a TUN device", ::ioctl(tun.value(), TUNSETIFF, &request));
    check("set its offloads",
          ::ioctl(tun.value(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6));
    // It goes with its namespace; otherwise each close takes 29 ms.
    check("make it persistent", ::ioctl(tun.value(), TUNSETPERSIST, 1));
    return tun;
}

void write_file(const std::string& path, const std::string& text) {
    std::ofstream file{path};
    file << text << std::flush;
    if (!file) throw Failure{"cannot write " + path};
}

}  // namespace

std::string missing_for_tun_hosts() {
    static const std::string missing = [] {
        try {
            const uid_t user = ::geteuid();
            const gid_t group = ::getegid();
            if (user != 0) {
                check("make a user namespace", ::unshare(CLONE_NEWUSER));
                write_file("/proc/self/setgroups", "deny");
                write_file("/proc/self/uid_map", "0 " + std::to_string(user) + " 1");
                write_file("/proc/self/gid_map", "0 " + std::to_string(group) + " 1");
            }
            const TunHost probe{AddressPlan{}, HostId{0}};
        } catch (const std::exception& error) {
            return std::string{error.what()};
        }
        return std::string{};
    }();
    return missing;
}

Program::Program(int network_namespace, const std::vector<std::string>& arguments) {
    std::vector<std::string> copies = arguments;
    std::vector<char*> argv;
    argv.reserve(copies.size() + 1);
    for (std::string& one : copies) argv.push_back(one.data());
    argv.push_back(nullptr);
    std::array<int, 2> ends{};
    check("make a pipe", ::pipe2(ends.data(), O_CLOEXEC));
    pid_ = check("start a program", ::fork());
    if (pid_ == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        ::dup2(ends[1], STDERR_FILENO);
        if (::setns(network_namespace, CLONE_NEWNET) == 0) ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    pipe_ = FileDescriptor{ends[0]};
}

Program::Program(Program&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)},
      pipe_{std::move(other.pipe_)},
      read_{std::move(other.read_)} {}

Program::~Program() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

std::string Program::output() {
    std::array<char, 4096> buffer{};
    ssize_t count = 0;
    while ((count = ::read(pipe_.value(), buffer.data(), buffer.size())) > 0) {
        read_.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return read_;
}

void Program::await(const std::string& text) {
    std::array<char, 4096> buffer{};
    while (read_.find(text) == std::string::npos) {
        const ssize_t count = ::read(pipe_.value(), buffer.data(), buffer.size());
        if (count <= 0) throw Failure{"a program ended before it said '" + text + "': " + read_};
        read_.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

TunHost::TunHost(const AddressPlan& plan, HostId host)
    : address_{ipv4_text(plan.ipv4(host))}, address6_{ipv6_text(plan.ipv6(host))} {
    port_.host = host;
    port_.ipv4 = plan.ipv4(host);
    port_.ipv6 = plan.ipv6(host);
    std::exception_ptr failed;
    std::thread{[this, &failed] {
        try {
            check("make a network namespace", ::unshare(CLONE_NEWNET));
            namespace_ =
                FileDescriptor{check("open the network namespace",
                                     ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))};
            port_.attachment = TunDevice{open_tun()};
            write_file("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 67108864");
            write_file("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 67108864");
            write_file("/proc/sys/net/ipv6/conf/eth0/addr_gen_mode", "1");
        } catch (...) {
            failed = std::current_exception();
        }
    }}.join();
    if (failed) std::rethrow_exception(failed);
    const std::string problems =
        run({"sh", "-c",
             "ip link set lo up && ip link set eth0 mtu 1500 txqueuelen 200 up && "
             "ip address add " +
                 address_ +
                 "/8 dev eth0 && "
                 "ip -6 address add " +
                 address6_ + "/64 dev eth0 nodad"});
    if (!problems.empty()) throw Failure{"cannot set a host up: " + problems};
}

void TunHost::inside(const std::function<void()>& action) const {
    std::exception_ptr failed;
    std::thread{[&] {
        try {
            check("enter a network namespace", ::setns(namespace_.value(), CLONE_NEWNET));
            action();
        } catch (...) {
            failed = std::current_exception();
        }
    }}.join();
    if (failed) std::rethrow_exception(failed);
}

}  // namespace pleat::testing
