#include "node/netlink/route_batch.hh"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

#include "base/error.hh"

namespace pleat {

FileDescriptor open_route_socket() {
    FileDescriptor socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
    check("cannot talk to the kernel's network configuration", socket.value());
    return socket;
}

void RouteBatch::begin(std::string attempt, std::uint16_t type, std::uint16_t flags) {
    last_ = packet_.size();
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
    header.nlmsg_seq = static_cast<std::uint32_t>(attempts_.size());
    attempts_.push_back(std::move(attempt));
    append(&header, sizeof header);
}

void RouteBatch::append(const void* content, std::size_t size) {
    const auto* const bytes = static_cast<const char*>(content);
    packet_.insert(packet_.end(), bytes, bytes + size);
    packet_.resize(NLMSG_ALIGN(packet_.size()));
    const auto length = static_cast<std::uint32_t>(packet_.size() - last_);
    std::memcpy(packet_.data() + last_ + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
}

void RouteBatch::attribute(std::uint16_t type, const void* content, std::size_t size) {
    const nlattr header{static_cast<std::uint16_t>(NLA_HDRLEN + size), type};
    append(&header, sizeof header);
    append(content, size);
}

std::size_t RouteBatch::begin_nest(std::uint16_t type) {
    const std::size_t nest = packet_.size();
    const nlattr header{NLA_HDRLEN, type};
    append(&header, sizeof header);
    return nest;
}

void RouteBatch::end_nest(std::size_t nest) {
    const auto length = static_cast<std::uint16_t>(packet_.size() - nest);
    std::memcpy(packet_.data() + nest + offsetof(nlattr, nla_len), &length, sizeof length);
}

void RouteBatch::send(int route_socket) const {
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as sendto() wants it
    const auto* const address = reinterpret_cast<const sockaddr*>(&kernel);
    check("cannot configure the host's network",
          static_cast<int>(
              ::sendto(route_socket, packet_.data(), packet_.size(), 0, address, sizeof kernel)));
    // The kernel has done everything when sendto() returns: one answer each is waiting.
    for (std::size_t answers = 0; answers < attempts_.size();) {
        alignas(nlmsghdr) std::array<char, 16384> buffer{};
        const ssize_t n = ::recv(route_socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
        check("the kernel did not answer", static_cast<int>(n));
        std::size_t at = 0;
        while (at + sizeof(nlmsghdr) <= static_cast<std::size_t>(n)) {
            nlmsghdr header{};
            std::memcpy(&header, buffer.data() + at, sizeof header);
            if (header.nlmsg_len < sizeof header) break;
            nlmsgerr answer{};
            std::memcpy(&answer, buffer.data() + at + NLMSG_HDRLEN, sizeof answer);
            ++answers;
            if (header.nlmsg_type == NLMSG_ERROR && answer.error != 0) {
                throw std::system_error{-answer.error, std::system_category(),
                                        attempts_.at(header.nlmsg_seq)};
            }
            at += NLMSG_ALIGN(header.nlmsg_len);
        }
    }
}

}  // namespace pleat
