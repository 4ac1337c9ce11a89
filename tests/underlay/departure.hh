// An interface that goes, as the kernel tells it.
#pragma once

#include <array>

#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.hh"
#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "node/netlink/in_namespace.hh"

namespace pleat {

// Waits for the kernel to say that an interface of this namespace is gone.
class Departure {
  public:
    explicit Departure(int network_namespace) {
        in_network_namespace(network_namespace, [this] {
            socket_ = FileDescriptor{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
            sockaddr_nl address{};
            address.nl_family = AF_NETLINK;
            address.nl_groups = RTMGRP_LINK;
            check("bind",
                  ::bind(socket_.value(), reinterpret_cast<sockaddr*>(&address), sizeof address));
        });
    }

    bool seen_within(Duration patience) const {
        const Instant deadline = monotonic_now() + patience;
        while (monotonic_now() < deadline) {
            pollfd wait{socket_.value(), POLLIN, 0};
            if (::poll(&wait, 1, 100) != 1) continue;
            alignas(nlmsghdr) std::array<char, 16384> buffer{};
            const ssize_t n = ::recv(socket_.value(), buffer.data(), buffer.size(), 0);
            if (n <= 0) return false;
            if (reinterpret_cast<const nlmsghdr*>(buffer.data())->nlmsg_type == RTM_DELLINK) {
                return true;
            }
        }
        return false;
    }

  private:
    FileDescriptor socket_;
};

}  // namespace pleat
