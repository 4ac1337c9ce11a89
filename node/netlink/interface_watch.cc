#include "node/dataplane/edt/interface_watch.hh"

#include <array>
#include <cerrno>
#include <utility>

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include "base/error.hh"

namespace pleat {

namespace {

// Whether one of these messages says that the interface is gone.
bool says_gone(const char* bytes, std::size_t size, int index) {
    auto left = static_cast<int>(size);
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(bytes); nlmsg_ok(header, left);) {
        const auto* link = static_cast<const ifinfomsg*>(nlmsg_data(header));
        if (header->nlmsg_type == RTM_DELLINK && link->ifi_index == index) return true;
        const auto length = static_cast<int>(NLMSG_ALIGN(header->nlmsg_len));
        bytes += length;
        left -= length;
        header = reinterpret_cast<const nlmsghdr*>(bytes);
    }
    return false;
}

}  // namespace

InterfaceWatch::InterfaceWatch(boost::asio::io_context& loop, int network_namespace, int index,
                               std::function<void()> gone)
    : socket_{network_namespace},
      index_{index},
      gone_{std::move(gone)},
      readable_{loop, nl_socket_get_fd(socket_.handle())} {
    if (nl_socket_add_memberships(socket_.handle(), RTNLGRP_LINK, 0) < 0) {
        readable_.release();
        throw Failure{"cannot watch interfaces by netlink"};
    }
    wait();
}

InterfaceWatch::~InterfaceWatch() {
    readable_.release();  // the socket owns it
}

void InterfaceWatch::wait() {
    readable_.async_wait(boost::asio::posix::stream_descriptor::wait_read, lifeline_.guard([this] {
        if (!read_that_it_is_gone()) return wait();
        const std::function<void()> gone = std::move(gone_);
        gone();
    }));
}

bool InterfaceWatch::read_that_it_is_gone() {
    std::array<char, 32768> buffer;  // NOLINT: recv fills what is read of it
    while (true) {
        const ssize_t size =
            ::recv(nl_socket_get_fd(socket_.handle()), buffer.data(), buffer.size(), MSG_DONTWAIT);
        // ENOBUFS: more was said than the socket holds. The rest follows; what was lost shows
        // when the interface is next touched.
        if (size < 0 && errno == ENOBUFS) continue;
        if (size <= 0) return false;
        if (says_gone(buffer.data(), static_cast<std::size_t>(size), index_)) return true;
    }
}

}  // namespace pleat
