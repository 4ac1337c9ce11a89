#include "node/keeper/channel.hh"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/error.hh"
#include "node/keeper/protocol.hh"

namespace pleat::keeper {

namespace {

// What one message may bring; the kernel drops the rest.
constexpr std::size_t kMostDescriptors = 4;

}  // namespace

std::pair<FileDescriptor, FileDescriptor> make_channel() {
    std::array<int, 2> ends{};
    check("cannot make a socket pair",
          ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()));
    return {FileDescriptor{ends[0]}, FileDescriptor{ends[1]}};
}

SendResult send_packet(int socket, std::string_view packet, int descriptor) {
    // sendmsg() does not write to it.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
    iovec content{const_cast<char*>(packet.data()), packet.size()};
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    if (descriptor >= 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof descriptor);
        std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    while (::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno == EINTR) continue;
        const bool full = errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS;
        return full ? SendResult::full : SendResult::lost;
    }
    return SendResult::sent;
}

Received receive_packet(int socket) {
    Received result;
    // One byte more than is allowed, so that a longer packet shows.
    std::string buffer(kMaximumMessage + 1, '\0');
    iovec content{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostDescriptors * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t n = 0;
    do {
        n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return result;
    if (n <= 0) {
        result.what = Received::What::lost;
        return result;
    }
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof number);
            FileDescriptor descriptor{number};
            if (!result.descriptor.open()) result.descriptor = std::move(descriptor);
        }
    }
    result.what = Received::What::packet;
    if (static_cast<std::size_t>(n) <= kMaximumMessage) {
        buffer.resize(static_cast<std::size_t>(n));
        result.packet = std::move(buffer);
    }
    return result;
}

}  // namespace pleat::keeper
