#include "tests/dataplane/test_host.hh"

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

std::array<std::uint8_t, 4> bytes_of(std::uint32_t address) {
    return {static_cast<std::uint8_t>(address >> 24), static_cast<std::uint8_t>(address >> 16),
            static_cast<std::uint8_t>(address >> 8), static_cast<std::uint8_t>(address)};
}

Links::HardwareAddress hardware_address_here(const char* interface) {
    const FileDescriptor socket{
        check("open a socket", ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))};
    ifreq request{};
    std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    check("ask for a hardware address", ::ioctl(socket.value(), SIOCGIFHWADDR, &request));
    Links::HardwareAddress address{};
    std::memcpy(address.data(), request.ifr_hwaddr.sa_data, address.size());
    return address;
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
            TestUnderlay underlay;
            const TestHost probe{AddressPlan{}, HostId{0}, &underlay};
        }
    } catch (const std::exception& error) {
        return error.what();
    }
    return {};
}

std::string port_name(HostId host) {
    return "h" + std::to_string(host.value);
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

TestUnderlay::TestUnderlay() : namespace_{make_namespace()}, links_{namespace_.value()} {
    in_network_namespace(namespace_.value(),
                         [] { write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"); });
    links_.make_bridge("bridge");
    links_.raise("bridge", 1500, 1000);
}

void TestUnderlay::attach(HostId host, int network_namespace) {
    links_.make_veth(port_name(host), "eth0", network_namespace);
    links_.plug(port_name(host), "bridge");
    links_.raise(port_name(host), 1500, 1000);
}

void TestUnderlay::remove_interface(HostId host) {
    links_.remove(port_name(host));
}

TestHost::TestHost(const AddressPlan& plan, HostId host, TestUnderlay* underlay)
    : plan_{plan},
      host_{host},
      address_{ipv4_text(plan.ipv4(host))},
      address6_{ipv6_text(plan.ipv6(host))},
      tun_{underlay == nullptr},
      namespace_{make_namespace()} {
    port_.host = host;
    port_.ipv4 = plan.ipv4(host);
    port_.ipv6 = plan.ipv6(host);
    if (underlay != nullptr) underlay->attach(host, namespace_.value());
    inside([&] {
        write_file("/proc/sys/net/ipv4/tcp_rmem", "4096 131072 67108864");
        write_file("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 67108864");
        if (tun_) {
            port_.attachment = TunDevice{open_tun()};
        } else {
            port_.attachment =
                KernelInterface{.network_namespace = open_own_namespace(), .name = "eth0"};
            hardware_address_ = hardware_address_here("eth0");
        }
        write_file("/proc/sys/net/ipv6/conf/eth0/addr_gen_mode", "1");
    });
    Links here = links();
    here.raise("lo", 65536, 1000);
    here.raise("eth0", 1500, tun_ ? 200 : 1000);
    here.add_address("eth0", bytes_of(port_.ipv4), plan.prefix_length);
    here.add_address("eth0", port_.ipv6, 64);
}

void TestHost::acquaint(const TestHost& other) const {
    if (tun_) return;
    Links here = links();
    here.add_neighbour("eth0", bytes_of(plan_.ipv4(other.host_)), other.hardware_address_);
    here.add_neighbour("eth0", plan_.ipv6(other.host_), other.hardware_address_);
}

void TestHost::acquaint(std::uint32_t ipv4) const {
    if (tun_) return;
    links().add_neighbour("eth0", bytes_of(ipv4), {0x02, 0, 0, 0, 0, 1});
}

}  // namespace pleat::testing
