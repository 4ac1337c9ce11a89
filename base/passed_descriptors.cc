#include "base/passed_descriptors.hh"

#include <array>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/error.hh"

namespace pleat {

namespace {

constexpr std::size_t kMost = 8;

struct Message {
    char content = 0;
    iovec part{&content, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(kMost * sizeof(int))> control{};
    msghdr header{};

    Message() {
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
    }

    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;
};

}  // namespace

bool send_descriptors(int socket, std::span<const int> descriptors) {
    PLEAT_ASSERT(!descriptors.empty() && descriptors.size() <= kMost);
    Message message;
    message.header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const rights = CMSG_FIRSTHDR(&message.header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(socket, &message.header, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent == 1;
}

std::vector<FileDescriptor> receive_descriptors(int socket) {
    Message message;
    ssize_t received = 0;
    do {
        received = ::recvmsg(socket, &message.header, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    std::vector<FileDescriptor> result;
    if (received <= 0) return result;
    for (cmsghdr* one = CMSG_FIRSTHDR(&message.header); one != nullptr;
         one = CMSG_NXTHDR(&message.header, one)) {
        if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int number = -1;
            std::memcpy(&number, CMSG_DATA(one) + i * sizeof(int), sizeof number);
            result.emplace_back(number);
        }
    }
    return result;
}

}  // namespace pleat
