#include "node/dataplane/tunnel/tunnel_socket.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "base/error.hh"
#include "node/dataplane/tunnel/settings.hh"

namespace pleat {

namespace {

using Endpoint = boost::asio::ip::udp::endpoint;

// The kernel's limits for one call: UDP_MAX_SEGMENTS, and an IP packet.
constexpr std::size_t kMostSegments = 64;
constexpr std::size_t kMostBytes = 65507;

// Some 40 ms at 10 Gbps, so that a late thread loses nothing. Beyond net.core.rmem_max only with
// CAP_NET_ADMIN.
constexpr int kBuffer = 16 << 20;

// A stamp that is older is believed no more: the clock of the day has been set.
constexpr Duration kOldestStamp = std::chrono::seconds{1};

void set_option(int socket, int level, int option, int value, const char* what) {
    check(what, ::setsockopt(socket, level, option, &value, sizeof value));
}

void widen(int socket, int forced, int asked) {
    const int bytes = kBuffer;
    if (::setsockopt(socket, SOL_SOCKET, forced, &bytes, sizeof bytes) == 0) return;
    set_option(socket, SOL_SOCKET, asked, bytes, "set the tunnel's buffers");
}

Duration since_epoch(const timespec& time) {
    return std::chrono::seconds{time.tv_sec} + Duration{time.tv_nsec};
}

int family_of(int socket) {
    int family = 0;
    socklen_t bytes = sizeof family;
    check("ask for the tunnel's family",
          ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &bytes));
    return family;
}

}  // namespace

FileDescriptor open_tunnel_socket(const Endpoint& local) {
    const std::string name = local.address().to_string() + " port " + std::to_string(local.port());
    const int family = local.data()->sa_family;
    FileDescriptor socket{check("open the tunnel's socket",
                                ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
    const int fd = socket.value();
    if (family == AF_INET6) {
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1, "keep the tunnel to IPv6");
        set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE,
                   "forbid fragments in the tunnel");
    } else {
        set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE,
                   "forbid fragments in the tunnel");
    }
    set_option(fd, IPPROTO_UDP, UDP_GRO, 1, "have the tunnel's datagrams joined");
    set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1, "have the tunnel's overflows counted");
    set_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1, "have what the tunnel receives stamped");
    widen(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    widen(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    check("bind the tunnel to " + name,
          ::bind(fd, local.data(), static_cast<socklen_t>(local.size())));
    return socket;
}

Endpoint tunnel_endpoint(const FileDescriptor& socket) {
    Endpoint endpoint;
    auto bytes = static_cast<socklen_t>(endpoint.capacity());
    check("ask where the tunnel is bound", ::getsockname(socket.value(), endpoint.data(), &bytes));
    endpoint.resize(bytes);
    return endpoint;
}

TunnelSocket::TunnelSocket(FileDescriptor socket)
    : socket_{std::move(socket)},
      ipv6_{family_of(socket_.value()) == AF_INET6},
      buffer_(std::size_t{1} << 16U) {}

TunnelSocket::Sent TunnelSocket::send(std::span<const std::uint8_t> datagrams,
                                      std::size_t datagram_bytes, const Endpoint& to) {
    const std::size_t together =
        std::max<std::size_t>(1, std::min(kMostSegments, kMostBytes / datagram_bytes)) *
        datagram_bytes;
    while (!datagrams.empty()) {
        const auto part = datagrams.first(std::min(together, datagrams.size()));
        iovec piece{const_cast<std::uint8_t*>(part.data()), part.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(std::uint16_t))> control{};
        msghdr message{};
        message.msg_name = const_cast<sockaddr*>(to.data());
        message.msg_namelen = static_cast<socklen_t>(to.size());
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        if (part.size() > datagram_bytes) {
            message.msg_control = control.data();
            message.msg_controllen = control.size();
            cmsghdr* const header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = IPPROTO_UDP;
            header->cmsg_type = UDP_SEGMENT;
            header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
            const auto size = static_cast<std::uint16_t>(datagram_bytes);
            std::memcpy(CMSG_DATA(header), &size, sizeof size);
        }
        const ssize_t sent = ::sendmsg(socket_.value(), &message, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno == EINTR) continue;
            // EINVAL: a segment is larger than the interface's MTU.
            return errno == EMSGSIZE || errno == EINVAL ? Sent::too_large : Sent::refused;
        }
        datagrams = datagrams.subspan(part.size());
    }
    return Sent::all;
}

std::optional<TunnelSocket::Batch> TunnelSocket::receive() {
    iovec piece{buffer_.data(), buffer_.size()};
    alignas(cmsghdr) std::array<char, 2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(timespec))>
        control{};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t bytes = 0;
    do {
        bytes = ::recvmsg(socket_.value(), &message, 0);
    } while (bytes < 0 && errno == EINTR);
    // An error here is that of an earlier datagram (ICMP), or there is nothing.
    if (bytes < 0) return std::nullopt;
    Batch batch{.bytes = std::span{buffer_}.first(static_cast<std::size_t>(bytes)),
                .datagram_bytes = static_cast<std::size_t>(bytes)};
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == IPPROTO_UDP && header->cmsg_type == UDP_GRO) {
            int size = 0;
            std::memcpy(&size, CMSG_DATA(header), sizeof size);
            if (size > 0) batch.datagram_bytes = static_cast<std::size_t>(size);
        } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SO_RXQ_OVFL) {
            std::memcpy(&overflows_, CMSG_DATA(header), sizeof overflows_);
        } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
            timespec stamp{};
            std::memcpy(&stamp, CMSG_DATA(header), sizeof stamp);
            batch.stamp = since_epoch(stamp);
        }
    }
    return batch;
}

Instant came_at(const TunnelSocket::Batch& batch) {
    timespec today{};
    ::clock_gettime(CLOCK_REALTIME, &today);
    // The monotonic clock second: being stopped in between makes it late, not early.
    const Instant now = monotonic_now();
    if (!batch.stamp) return now;
    const Duration age = since_epoch(today) - *batch.stamp;
    return age < Duration::zero() || age > kOldestStamp ? now : now - age;
}

}  // namespace pleat
