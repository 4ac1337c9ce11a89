#include "node/netlink/interface_watch.hh"

#include <array>
#include <cerrno>
#include <utility>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include "base/error.hh"

namespace pleat {

namespace {

constexpr std::uint32_t kEgress = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
constexpr std::uint32_t kIngress = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);

// Places in a message: its type and number; the index, in ifinfomsg as in tcmsg; the parent.
constexpr std::uint32_t kType = offsetof(nlmsghdr, nlmsg_type);
constexpr std::uint32_t kNumber = offsetof(nlmsghdr, nlmsg_seq);
constexpr std::uint32_t kIndex = NLMSG_HDRLEN + offsetof(tcmsg, tcm_ifindex);
constexpr std::uint32_t kParent = NLMSG_HDRLEN + offsetof(tcmsg, tcm_parent);
static_assert(offsetof(tcmsg, tcm_ifindex) == offsetof(ifinfomsg, ifi_index));

constexpr std::uint16_t kLoadHalf = BPF_LD | BPF_H | BPF_ABS;
constexpr std::uint16_t kLoadWord = BPF_LD | BPF_W | BPF_ABS;
constexpr std::uint16_t kReturn = BPF_RET | BPF_K;
constexpr std::uint32_t kAll = 0xffffffff;

constexpr sock_filter does(std::uint16_t code, std::uint32_t value) {
    return {code, 0, 0, value};
}

// Goes on behind the next `then` instructions, or `otherwise`.
constexpr sock_filter when_is(std::uint32_t value, std::uint8_t then, std::uint8_t otherwise = 0) {
    return {BPF_JMP | BPF_JEQ | BPF_K, then, otherwise, value};
}

// Rule (1), and answers to questions. A plane makes thousands of requests about its own classes,
// each of which the kernel tells everybody.
void attach_filter(int socket, int index) {
    const auto type = [](std::uint16_t one) -> std::uint32_t { return htons(one); };
    std::array<sock_filter, 21> program{{
        does(kLoadHalf, kType),
        when_is(type(NLMSG_ERROR), 18),     // 1: to 20
        when_is(type(RTM_NEWLINK), 14),     // 2: to 17
        when_is(type(RTM_DELLINK), 11),     // 3: to 15
        when_is(type(RTM_DELTFILTER), 10),  // 4: to 15
        when_is(type(RTM_DELQDISC), 3),     // 5: to 9
        when_is(type(RTM_NEWQDISC), 2),     // 6: to 9
        when_is(type(RTM_NEWTFILTER), 1),   // 7: to 9
        does(kReturn, 0),
        does(kLoadWord, kParent),  // 9
        when_is(htonl(TC_H_ROOT), 4),
        when_is(htonl(TC_H_CLSACT), 3),
        when_is(htonl(kEgress), 2),
        when_is(htonl(kIngress), 1),
        does(kReturn, 0),
        does(kLoadWord, kIndex),  // 15
        when_is(htonl(static_cast<std::uint32_t>(index)), 3, 2),
        does(kLoadWord, kNumber),  // 17: what nobody has asked for has none
        when_is(0, 0, 1),
        does(kReturn, 0),
        does(kReturn, kAll),  // 20
    }};
    const sock_fprog all{static_cast<unsigned short>(program.size()), program.data()};
    check("cannot filter news of interfaces",
          ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof all));
}

}  // namespace

InterfaceWatch::InterfaceWatch(boost::asio::io_context& loop, int network_namespace, int index,
                               Outputs outputs)
    : socket_{network_namespace},
      index_{index},
      outputs_{std::move(outputs)},
      readable_{loop, nl_socket_get_fd(socket_.handle())} {
    try {
        attach_filter(nl_socket_get_fd(socket_.handle()), index);
        if (nl_socket_add_memberships(socket_.handle(), RTNLGRP_LINK, RTNLGRP_TC, 0) < 0) {
            throw Failure{"cannot watch interfaces by netlink"};
        }
    } catch (...) {
        readable_.release();
        throw;
    }
    wait();
}

InterfaceWatch::~InterfaceWatch() {
    readable_.release();  // the socket owns it
}

void InterfaceWatch::wait() {
    readable_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                         lifeline_.guard([this] { tell(read()); }));
}

void InterfaceWatch::tell(const News& news) {
    if (news.gone) {
        const std::function<void()> gone = std::move(outputs_.gone);
        return gone();
    }
    wait();  // first: what follows may throw, or destroy this
    if (!news.changed) return;
    const std::function<void(bool)> changed = outputs_.changed;
    changed(news.inner);
}

InterfaceWatch::News InterfaceWatch::read() {
    News news;
    read_waiting(news);
    // The answer may be lost as what was asked for was; each time the buffer is empty before.
    constexpr int kMostQuestions = 10;
    for (int i = 0; i < kMostQuestions && news.lost && !news.gone && !news.answered; ++i) {
        news.changed = true;
        ask(news);
    }
    return news;
}

void InterfaceWatch::read_waiting(News& news) {
    std::array<char, 32768> buffer;  // NOLINT: recv fills what is read of it
    while (true) {
        const ssize_t size =
            ::recv(nl_socket_get_fd(socket_.handle()), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0 && errno == ENOBUFS) {
            news.lost = true;
            news.answered = false;
            continue;
        }
        if (size <= 0) return;
        take(buffer.data(), static_cast<std::size_t>(size), news);
    }
}

void InterfaceWatch::take(const char* bytes, std::size_t size, News& news) const {
    auto left = static_cast<int>(size);
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(bytes); nlmsg_ok(header, left);) {
        const bool is_answer = asked_ != 0 && header->nlmsg_seq == asked_;
        switch (header->nlmsg_type) {
            case NLMSG_ERROR:
                if (!is_answer) break;
                news.answered = true;
                if (static_cast<const nlmsgerr*>(nlmsg_data(header))->error != 0) news.gone = true;
                break;
            case RTM_NEWLINK:
                if (is_answer) news.answered = true;
                break;
            case RTM_DELLINK:
                if (static_cast<const ifinfomsg*>(nlmsg_data(header))->ifi_index == index_) {
                    news.gone = true;
                }
                break;
            case RTM_DELTFILTER: {
                const std::uint32_t parent =
                    static_cast<const tcmsg*>(nlmsg_data(header))->tcm_parent;
                news.changed = true;
                news.inner = news.inner || (parent != kEgress && parent != kIngress);
                break;
            }
            default:
                news.changed = true;
        }
        const auto length = static_cast<int>(NLMSG_ALIGN(header->nlmsg_len));
        bytes += length;
        left -= length;
        header = reinterpret_cast<const nlmsghdr*>(bytes);
    }
}

// The kernel has answered when the question has been sent.
void InterfaceWatch::ask(News& news) {
    ifinfomsg header{};
    header.ifi_index = index_;
    const NetlinkMessage question = RouteSocket::message(RTM_GETLINK, 0);
    PLEAT_ASSERT(nlmsg_append(question.get(), &header, sizeof header, NLMSG_ALIGNTO) == 0);
    if (nl_send_auto(socket_.handle(), question.get()) < 0) return;
    asked_ = nlmsg_hdr(question.get())->nlmsg_seq;
    read_waiting(news);
}

}  // namespace pleat
