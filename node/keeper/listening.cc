#include "node/keeper/listening.hh"

#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/error.hh"

namespace pleat::keeper {

ListeningSockets::ListeningSockets()
    : socket_{::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)} {
    check("cannot ask the kernel for listening sockets", socket_.value());
}

bool ListeningSockets::any_on(std::uint16_t port) const {
    return any_on(port, AF_INET) || any_on(port, AF_INET6);
}

bool ListeningSockets::any_on(std::uint16_t port, std::uint8_t family) const {
    struct {
        nlmsghdr header;
        inet_diag_req_v2 request;
    } question{};

    question.header.nlmsg_len = sizeof question;
    question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    question.request.sdiag_family = family;
    question.request.sdiag_protocol = IPPROTO_TCP;
    question.request.idiag_states = 1U << TCP_LISTEN;
    question.request.id.idiag_sport = htons(port);
    if (::send(socket_.value(), &question, sizeof question, 0) < 0) return false;
    bool found = false;
    while (true) {
        // A dump's next part is made while we receive the one before: it is always there.
        alignas(nlmsghdr) std::array<char, 32768> buffer{};
        const ssize_t n = ::recv(socket_.value(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (n <= 0) return found;
        std::size_t at = 0;
        while (at + sizeof(nlmsghdr) <= static_cast<std::size_t>(n)) {
            nlmsghdr header{};
            std::memcpy(&header, buffer.data() + at, sizeof header);
            if (header.nlmsg_len < sizeof header) return found;
            if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) return found;
            inet_diag_msg socket{};
            if (header.nlmsg_len >= NLMSG_HDRLEN + sizeof socket) {
                std::memcpy(&socket, buffer.data() + at + NLMSG_HDRLEN, sizeof socket);
                found = found || ntohs(socket.id.idiag_sport) == port;
            }
            at += NLMSG_ALIGN(header.nlmsg_len);
        }
    }
}

}  // namespace pleat::keeper
