#include "tests/underlay/ttl.hh"

#include <array>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "node/netlink/in_namespace.hh"

namespace pleat::testing {

namespace {

constexpr std::uint16_t kPort = 4444;
constexpr std::uint16_t kClosedPort = 33434;

struct Address {
    Address(const std::string& text, std::uint16_t port) {
        v6 = text.find(':') != std::string::npos;
        auto* const four = reinterpret_cast<sockaddr_in*>(&storage);
        auto* const six = reinterpret_cast<sockaddr_in6*>(&storage);
        if (v6) {
            six->sin6_family = AF_INET6;
            six->sin6_port = htons(port);
            ::inet_pton(AF_INET6, text.c_str(), &six->sin6_addr);
        } else {
            four->sin_family = AF_INET;
            four->sin_port = htons(port);
            ::inet_pton(AF_INET, text.c_str(), &four->sin_addr);
        }
    }

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

    bool v6 = false;
    sockaddr_storage storage{};
};

FileDescriptor socket_in(int network_namespace, const Address& address) {
    FileDescriptor made;
    in_network_namespace(network_namespace, [&] {
        made = FileDescriptor{::socket(address.v6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0)};
    });
    check("open a socket", made.value());
    return made;
}

void set(const FileDescriptor& socket, bool v6, int four, int six, int value) {
    check("set a socket's option",
          v6 ? ::setsockopt(socket.value(), IPPROTO_IPV6, six, &value, sizeof value)
             : ::setsockopt(socket.value(), IPPROTO_IP, four, &value, sizeof value));
}

std::string text_of(const sockaddr* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address->sa_family == AF_INET6) {
        ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr,
                    text.data(), text.size());
    } else {
        ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text.data(),
                    text.size());
    }
    return text.data();
}

// What recvmsg() says beside the bytes, of this type.
template <typename Take>
bool receive(const FileDescriptor& socket, int flags, short wait_for, int level, int type,
             Take&& take) {
    pollfd wait{socket.value(), wait_for, 0};
    if (::poll(&wait, 1, 1000) != 1) return false;
    std::vector<char> bytes(65536);
    alignas(cmsghdr) std::array<char, 512> beside{};
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = beside.data();
    message.msg_controllen = beside.size();
    if (::recvmsg(socket.value(), &message, flags | MSG_DONTWAIT) < 0) return false;
    for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
        if (one->cmsg_level != level || one->cmsg_type != type) continue;
        take(CMSG_DATA(one));
        return true;
    }
    return false;
}

}  // namespace

std::optional<int> ttl_on_arrival(const Way& way, int ttl, std::size_t payload) {
    const Address address{way.address, kPort};
    const FileDescriptor receiver = socket_in(way.to, address);
    const FileDescriptor sender = socket_in(way.from, address);
    set(receiver, address.v6, IP_RECVTTL, IPV6_RECVHOPLIMIT, 1);
    set(sender, address.v6, IP_TTL, IPV6_UNICAST_HOPS, ttl);
    check("bind a socket", ::bind(receiver.value(), address.get(), sizeof address.storage));
    const std::vector<char> bytes(payload, 'x');
    check("send a datagram", static_cast<int>(::sendto(sender.value(), bytes.data(), bytes.size(),
                                                       0, address.get(), sizeof address.storage)));
    int arrived = 0;
    const bool there =
        receive(receiver, 0, POLLIN, address.v6 ? int{IPPROTO_IPV6} : int{IPPROTO_IP},
                address.v6 ? IPV6_HOPLIMIT : IP_TTL,
                [&arrived](const void* data) { std::memcpy(&arrived, data, sizeof arrived); });
    if (!there) return std::nullopt;
    return arrived;
}

std::optional<std::string> answer_to(const Way& way, int ttl) {
    const Address address{way.address, kClosedPort};
    const FileDescriptor sender = socket_in(way.from, address);
    set(sender, address.v6, IP_RECVERR, IPV6_RECVERR, 1);
    set(sender, address.v6, IP_TTL, IPV6_UNICAST_HOPS, ttl);
    check("send a datagram", static_cast<int>(::sendto(sender.value(), "x", 1, 0, address.get(),
                                                       sizeof address.storage)));
    std::string said;
    const bool there =
        receive(sender, MSG_ERRQUEUE, POLLERR, address.v6 ? int{IPPROTO_IPV6} : int{IPPROTO_IP},
                address.v6 ? IPV6_RECVERR : IP_RECVERR, [&](void* data) {
                    auto* const error = static_cast<sock_extended_err*>(data);
                    constexpr int kTimeExceeded6 = 3;
                    const bool expired =
                        error->ee_type == (address.v6 ? kTimeExceeded6 : ICMP_TIME_EXCEEDED);
                    said = (expired ? "time exceeded by " : "") + text_of(SO_EE_OFFENDER(error));
                });
    if (!there) return std::nullopt;
    return said;
}

}  // namespace pleat::testing
