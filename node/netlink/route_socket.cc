#include "node/netlink/route_socket.hh"

#include <cerrno>
#include <cstring>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include "base/error.hh"
#include "node/netlink/in_namespace.hh"

namespace pleat {

namespace {

// libnl's own errors have no errno; all that a request can meet are these.
int errno_of(int netlink_error) {
    switch (-netlink_error) {
        case NLE_NOMEM:
            return ENOBUFS;
        case NLE_AGAIN:
            return EAGAIN;
        default:
            return EIO;
    }
}

struct Answer {
    bool arrived = false;
    int error = 0;
    std::string why;
};

// An acknowledgement is an error message whose error is 0; the kernel's text follows the
// request that it quotes, unless that is left out (NLM_F_CAPPED).
void read_answer(const nlmsghdr& header, Answer& answer) {
    const auto* error = static_cast<const nlmsgerr*>(nlmsg_data(&header));
    answer.arrived = true;
    answer.error = -error->error;
    if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return;
    std::size_t offset = sizeof *error;
    if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) {
        offset += error->msg.nlmsg_len - sizeof error->msg;
    }
    const auto size = static_cast<std::size_t>(nlmsg_datalen(&header));
    if (offset >= size) return;
    const auto* first =
        reinterpret_cast<const nlattr*>(reinterpret_cast<const char*>(error) + NLMSG_ALIGN(offset));
    const nlattr* text = nla_find(first, static_cast<int>(size - offset), NLMSGERR_ATTR_MSG);
    if (text != nullptr) answer.why = nla_get_string(text);
}

}  // namespace

void NetlinkRelease::operator()(nl_msg* message) const {
    nlmsg_free(message);
}

void NetlinkRelease::operator()(nl_sock* socket) const {
    nl_socket_free(socket);
}

RouteSocket::RouteSocket(int network_namespace) : socket_{nl_socket_alloc()} {
    PLEAT_ASSERT(socket_ != nullptr);
    const auto connect = [this] {
        const int error = nl_connect(socket_.get(), NETLINK_ROUTE);
        if (error < 0) throw Failure{std::string{"cannot open netlink: "} + nl_geterror(error)};
    };
    if (network_namespace < 0) {
        connect();
    } else {
        in_network_namespace(network_namespace, connect);
    }
    // Older kernels have no texts; the error itself is enough.
    const int on = 1;
    static_cast<void>(::setsockopt(nl_socket_get_fd(socket_.get()), SOL_NETLINK, NETLINK_EXT_ACK,
                                   &on, sizeof on));
}

NetlinkMessage RouteSocket::message(int type, int flags) {
    NetlinkMessage result{nlmsg_alloc_simple(type, flags)};
    PLEAT_ASSERT(result != nullptr);
    return result;
}

int RouteSocket::try_to(nl_msg* message) {
    why_.clear();
    if (const int sent = nl_send_auto(socket_.get(), message); sent < 0) return errno_of(sent);
    const std::uint32_t sequence = nlmsg_hdr(message)->nlmsg_seq;
    while (true) {
        sockaddr_nl from{};
        unsigned char* bytes = nullptr;
        const int size = nl_recv(socket_.get(), &from, &bytes, nullptr);
        const std::unique_ptr<unsigned char, decltype(&std::free)> owner{bytes, &std::free};
        if (size < 0) return errno_of(size);
        if (size == 0) continue;
        int left = size;
        Answer answer;
        for (auto* header = reinterpret_cast<nlmsghdr*>(bytes); nlmsg_ok(header, left);
             header = nlmsg_next(header, &left)) {
            if (header->nlmsg_type == NLMSG_ERROR && header->nlmsg_seq == sequence) {
                read_answer(*header, answer);
            }
        }
        if (!answer.arrived) continue;
        why_ = answer.why;
        return answer.error;
    }
}

void RouteSocket::perform(const std::string& attempt, nl_msg* message) {
    const int error = try_to(message);
    if (error == 0) return;
    std::string text = "cannot " + attempt + ": " + std::system_category().message(error);
    if (!why_.empty()) text += " (" + why_ + ")";
    throw Failure{text};
}

int RouteSocket::interface_index(const std::string& name) {
    ifinfomsg header{};
    NetlinkMessage request = message(RTM_GETLINK, 0);
    nlmsg_append(request.get(), &header, sizeof header, NLMSG_ALIGNTO);
    nla_put_string(request.get(), IFLA_IFNAME, name.c_str());
    if (nl_send_auto(socket_.get(), request.get()) < 0) return 0;
    const std::uint32_t sequence = nlmsg_hdr(request.get())->nlmsg_seq;
    int index = 0;
    // The link, then the acknowledgement; or the refusal alone.
    while (true) {
        sockaddr_nl from{};
        unsigned char* bytes = nullptr;
        const int size = nl_recv(socket_.get(), &from, &bytes, nullptr);
        const std::unique_ptr<unsigned char, decltype(&std::free)> owner{bytes, &std::free};
        if (size <= 0) return index;
        int left = size;
        for (auto* header_read = reinterpret_cast<nlmsghdr*>(bytes); nlmsg_ok(header_read, left);
             header_read = nlmsg_next(header_read, &left)) {
            if (header_read->nlmsg_seq != sequence) continue;
            if (header_read->nlmsg_type == RTM_NEWLINK) {
                index = static_cast<const ifinfomsg*>(nlmsg_data(header_read))->ifi_index;
            }
            if (header_read->nlmsg_type == NLMSG_ERROR) return index;
        }
    }
}

}  // namespace pleat
