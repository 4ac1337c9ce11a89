#include "tests/dataplane/test_host.hh"

#include <array>
#include <csignal>
#include <exception>
#include <fstream>
#include <string_view>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pleat::testing {

namespace {

void write_file(const std::string& path, const std::string& text) {
    std::ofstream file{path};
    file << text << std::flush;
    if (!file) throw Failure{"cannot write " + path};
}

FileDescriptor open_own_namespace() {
    return FileDescriptor{check("open the network namespace",
                                ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))};
}

FileDescriptor make_namespace() {
    FileDescriptor made;
    std::thread{[&] {
        if (::unshare(CLONE_NEWNET) == 0) made = open_own_namespace();
    }}.join();
    check("make a network namespace", made.value());
    return made;
}

void become_root_of_own_namespace() {
    const uid_t user = ::geteuid();
    const gid_t group = ::getegid();
    if (user == 0) return;
    check("make a user namespace", ::unshare(CLONE_NEWUSER));
    write_file("/proc/self/setgroups", "deny");
    write_file("/proc/self/uid_map", "0 " + std::to_string(user) + " 1");
    write_file("/proc/self/gid_map", "0 " + std::to_string(group) + " 1");
}

std::string missing_for(AttachmentKind kind) {
    try {
        become_root_of_own_namespace();
        if (kind == AttachmentKind::tun_device) {
            const TestHost probe{AddressPlan{}, HostId{0}};
        } else {
            const Underlay underlay;
            const TestHost probe{AddressPlan{}, HostId{0}, &underlay};
        }
    } catch (const std::exception& error) {
        return error.what();
    }
    return {};
}

}  // namespace

std::string missing_for_hosts(AttachmentKind kind) {
    static const std::string tun = missing_for(AttachmentKind::tun_device);
    static const std::string kernel = missing_for(AttachmentKind::kernel_interface);
    return kind == AttachmentKind::tun_device ? tun : kernel;
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

TestHost::TestHost(const AddressPlan& plan, HostId host, const Underlay* underlay,
                   std::optional<HostId> outside)
    : address_{ipv4_text(plan.ipv4(host))},
      address6_{ipv6_text(plan.ipv6(host))},
      namespace_{make_namespace()} {
    port_.host = host;
    port_.ipv4 = plan.ipv4(host);
    port_.ipv6 = plan.ipv6(host);
    const keeper::Interface interface{.host = host.value,
                                      .ipv4 = port_.ipv4,
                                      .ipv4_prefix = static_cast<std::uint8_t>(plan.prefix_length),
                                      .ipv6 = port_.ipv6,
                                      .default_route = outside && *outside != host,
                                      .outside = outside == host};
    port_.outside = interface.outside;
    inside([&] {
        write_file("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 67108864");
        write_file("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 67108864");
        write_file("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1");
        if (underlay == nullptr) {
            port_.attachment = TunDevice{keeper::make_tun_interface(interface)};
        } else {
            port_.attachment = KernelInterface{.network_namespace = open_own_namespace(),
                                               .name = keeper::kInterface};
        }
    });
    if (underlay != nullptr) underlay->plug(interface, namespace_.value());
}

bool TestHost::has_ipv6_route() const {
    std::array<std::uint8_t, 16> bytes{};
    PLEAT_ASSERT(::inet_pton(AF_INET6, address6_.c_str(), bytes.data()) == 1);
    std::string wanted;
    for (const std::uint8_t byte : bytes) {
        constexpr std::string_view kDigits = "0123456789abcdef";
        wanted += {kDigits[byte >> 4], kDigits[byte & 15]};
    }
    wanted += " 80 ";  // all 128 bits of it
    bool found = false;
    inside([&] {
        std::ifstream routes{"/proc/thread-self/net/ipv6_route"};
        for (std::string line; std::getline(routes, line);) found |= line.starts_with(wanted);
    });
    return found;
}

}  // namespace pleat::testing
