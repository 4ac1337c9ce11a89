#include "tests/underlay/plugged_hosts.hh"

#include <algorithm>
#include <thread>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "base/clock.hh"
#include "base/error.hh"
#include "base/namespaces.hh"
#include "base/process.hh"
#include "node/netlink/in_namespace.hh"

using namespace std::chrono_literals;

namespace pleat::testing {

FileDescriptor make_namespace() {
    FileDescriptor made;
    std::thread{[&made] {
        if (::unshare(CLONE_NEWNET) != 0) return;
        made = FileDescriptor{::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
    }}.join();
    return made;
}

bool can_make_namespaces() {
    if (::geteuid() != 0) {
        try {
            become_root_of_user_namespace();
        } catch (const Failure& failure) {
            WARN("SKIPPED, this machine can't make namespaces: " << failure.what());
            return false;
        }
    }
    const bool made = make_namespace().open();
    if (!made) WARN("SKIPPED, this machine can't make namespaces");
    return made;
}

keeper::Interface interface_of(std::uint32_t host) {
    keeper::Interface result;
    result.host = host;
    result.ipv4 = kFirstAddress + host;
    result.ipv6 = {0xfd, 0, 0, 0, 0, 0};
    result.ipv6[14] = static_cast<std::uint8_t>(host >> 8);
    result.ipv6[15] = static_cast<std::uint8_t>(host + 1);
    return result;
}

int run_in(int network_namespace, const std::vector<std::string>& arguments) {
    int code = -1;
    in_network_namespace(network_namespace, [&] {
        Command command;
        command.arguments = arguments;
        Result<Child> child = Child::start(command);
        REQUIRE(child);
        if (const auto status = child->wait_until(monotonic_now() + 10s)) code = status->code();
    });
    return code;
}

FileDescriptor socket_in(int network_namespace, int family, int type) {
    FileDescriptor result;
    in_network_namespace(network_namespace, [&] {
        result = FileDescriptor{::socket(family, type | SOCK_CLOEXEC, 0)};
    });
    REQUIRE(result.open());
    return result;
}

sockaddr_in6 address_of(std::uint32_t host, std::uint16_t port, int family) {
    const keeper::Interface interface = interface_of(host);
    sockaddr_in6 six{};
    if (family == AF_INET6) {
        six.sin6_family = AF_INET6;
        six.sin6_port = htons(port);
        std::copy(interface.ipv6.begin(), interface.ipv6.end(), six.sin6_addr.s6_addr);
        return six;
    }
    auto& four = reinterpret_cast<sockaddr_in&>(six);
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    four.sin_addr.s_addr = htonl(interface.ipv4);
    return six;
}

const sockaddr* any(const sockaddr_in6& address) {
    return reinterpret_cast<const sockaddr*>(&address);
}

std::size_t send_by_tcp(const PluggedHost& from, const PluggedHost& to, int family,
                        std::size_t size) {
    const FileDescriptor listener = socket_in(to.network_namespace, family, SOCK_STREAM);
    const FileDescriptor sender = socket_in(from.network_namespace, family, SOCK_STREAM);
    const sockaddr_in6 address = address_of(to.host, 4000, family);
    REQUIRE(::bind(listener.value(), any(address), sizeof address) == 0);
    REQUIRE(::listen(listener.value(), 1) == 0);
    const timeval patience{10, 0};
    ::setsockopt(sender.value(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    REQUIRE(::connect(sender.value(), any(address), sizeof address) == 0);
    const FileDescriptor receiver{::accept4(listener.value(), nullptr, nullptr, SOCK_CLOEXEC)};
    REQUIRE(receiver.open());
    ::setsockopt(receiver.value(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::thread sending{[&sender, size] {
        const std::vector<char> bytes(1U << 18U, 'x');
        for (std::size_t left = size; left > 0;) {
            const ssize_t n =
                ::send(sender.value(), bytes.data(), std::min(left, bytes.size()), MSG_NOSIGNAL);
            if (n <= 0) break;
            left -= static_cast<std::size_t>(n);
        }
        ::shutdown(sender.value(), SHUT_WR);
    }};
    std::size_t received = 0;
    std::vector<char> buffer(1U << 20U);
    for (ssize_t n = 0; (n = ::recv(receiver.value(), buffer.data(), buffer.size(), 0)) > 0;) {
        received += static_cast<std::size_t>(n);
    }
    sending.join();
    return received;
}

}  // namespace pleat::testing
