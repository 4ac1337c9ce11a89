#include "node/dataplane/netem/request_batch.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/error.hh"

namespace pleat {

namespace {

constexpr std::size_t kMostRequests = 128;        // in one system call
constexpr std::size_t kMostBytes = 256UL * 1024;  // of one system call
constexpr int kSendBuffer = 2 * 1024 * 1024;
constexpr int kReceiveBuffer = 4 * 1024 * 1024;

Failure failure(const std::string& what, int error) {
    return Failure{what + ": " + std::system_category().message(error)};
}

// The kernel's words that follow an error, if any.
std::string words(const nlmsghdr& header, const nlmsgerr& error) {
    if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
    std::size_t offset = sizeof error;
    if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) {
        offset += error.msg.nlmsg_len - sizeof error.msg;
    }
    const auto size = static_cast<std::size_t>(nlmsg_datalen(&header));
    if (offset >= size) return {};
    const auto* first = reinterpret_cast<const nlattr*>(reinterpret_cast<const char*>(&error) +
                                                        NLMSG_ALIGN(offset));
    const nlattr* text = nla_find(first, static_cast<int>(size - offset), NLMSGERR_ATTR_MSG);
    return text == nullptr ? std::string{} : std::string{nla_get_string(text)};
}

// Reads one datagram and calls `each` with its messages; errno or 0.
template <typename Each>
int receive(RouteSocket& socket, int flags, Each each) {
    static thread_local std::vector<char> buffer(1 << 17);
    const ssize_t size =
        ::recv(nl_socket_get_fd(socket.handle()), buffer.data(), buffer.size(), flags);
    if (size < 0) return errno == EINTR ? 0 : errno;
    int left = static_cast<int>(size);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, left);
         header = nlmsg_next(header, &left)) {
        each(*header);
    }
    return 0;
}

}  // namespace

void RequestBatch::prepare(RouteSocket& socket) {
    const int fd = nl_socket_get_fd(socket.handle());
    // With privileges beyond the machine's limits; else as far as these go.
    const auto set_size = [fd](int forced, int plain, int size) {
        if (::setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size) == 0) return;
        static_cast<void>(::setsockopt(fd, SOL_SOCKET, plain, &size, sizeof size));
    };
    set_size(SO_SNDBUFFORCE, SO_SNDBUF, kSendBuffer);
    set_size(SO_RCVBUFFORCE, SO_RCVBUF, kReceiveBuffer);
    // We read acknowledgements past libnl, which would miss them.
    nl_socket_disable_seq_check(socket.handle());
    const int on = 1;
    // The kernel answers before it returns; this is for what nobody has thought of.
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
    static_cast<void>(::setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on));
}

std::size_t RequestBatch::add(NetlinkMessage request) {
    requests_.push_back(std::move(request));
    return requests_.size() - 1;
}

std::vector<RequestBatch::Refusal> RequestBatch::send(RouteSocket& socket, const Answer& answer) {
    std::vector<Refusal> refusals;
    std::size_t most = kMostRequests;
    for (std::size_t begin = 0; begin < requests_.size();) {
        // As many as fit into one part; their sequence numbers follow each other.
        std::vector<iovec> parts;
        std::size_t bytes = 0;
        std::size_t end = begin;
        std::uint32_t first = 0;
        for (; end < requests_.size() && end - begin < most; ++end) {
            nlmsghdr* header = nlmsg_hdr(requests_[end].get());
            const std::size_t length = NLMSG_ALIGN(header->nlmsg_len);
            if (end > begin && bytes + length > kMostBytes) break;
            header->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
            header->nlmsg_seq = nl_socket_use_seq(socket.handle());
            header->nlmsg_pid = nl_socket_get_local_port(socket.handle());
            if (end == begin) first = header->nlmsg_seq;
            parts.push_back({header, length});
            bytes += length;
        }
        sockaddr_nl kernel{};
        kernel.nl_family = AF_NETLINK;
        msghdr message{};
        message.msg_name = &kernel;
        message.msg_namelen = sizeof kernel;
        message.msg_iov = parts.data();
        message.msg_iovlen = parts.size();
        if (::sendmsg(nl_socket_get_fd(socket.handle()), &message, 0) < 0) {
            if ((errno == ENOBUFS || errno == EMSGSIZE) && most > 1) {
                most /= 2;
                continue;
            }
            throw failure("cannot send netlink requests", errno);
        }
        const auto count = static_cast<std::uint32_t>(end - begin);
        std::uint32_t acknowledged = 0;
        bool overrun = false;
        while (acknowledged < count && !overrun) {
            const auto each = [&](const nlmsghdr& header) {
                const std::uint32_t place = header.nlmsg_seq - first;
                if (place >= count) return;  // of an earlier part
                if (header.nlmsg_type != NLMSG_ERROR) {
                    if (answer) answer(header);
                    return;
                }
                const auto* status = static_cast<const nlmsgerr*>(nlmsg_data(&header));
                acknowledged = std::max(acknowledged, place + 1);
                if (status->error == 0) return;
                refusals.push_back({begin + place, -status->error, words(header, *status)});
            };
            const int error = receive(socket, 0, each);
            if (error == ENOBUFS && most > 1) {
                // They are carried out all the same; what is not known to be is done again.
                // Answers are thrown away until the buffer has been emptied.
                while (receive(socket, MSG_DONTWAIT, each) != EAGAIN) continue;
                most /= 2;
                overrun = true;
            } else if (error != 0) {
                throw failure("cannot receive netlink answers", error);
            }
        }
        begin += acknowledged;
    }
    requests_.clear();
    return refusals;
}

void dump(RouteSocket& socket, NetlinkMessage request, const RequestBatch::Answer& answer) {
    nlmsghdr* header = nlmsg_hdr(request.get());
    header->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
    if (nl_send_auto(socket.handle(), request.get()) < 0) {
        throw Failure{"cannot send a netlink request"};
    }
    bool done = false;
    int failed = 0;
    while (!done) {
        const int error = receive(socket, 0, [&](const nlmsghdr& one) {
            if (one.nlmsg_seq != header->nlmsg_seq) return;
            if (one.nlmsg_type == NLMSG_DONE) {
                done = true;
            } else if (one.nlmsg_type == NLMSG_ERROR) {
                done = true;
                failed = -static_cast<const nlmsgerr*>(nlmsg_data(&one))->error;
            } else {
                answer(one);
            }
        });
        if (error != 0) throw failure("cannot receive netlink answers", error);
    }
    if (failed != 0) throw failure("cannot list traffic control", failed);
}

}  // namespace pleat
