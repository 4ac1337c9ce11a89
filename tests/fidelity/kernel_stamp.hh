// When the kernel received a packet, on the monotonic clock: what waking the reader takes
// is not in it.
#pragma once

#include <chrono>
#include <ctime>
#include <optional>

#include <sys/socket.h>
#include <sys/time.h>

namespace pleat::fidelity {

inline std::chrono::nanoseconds now_of(clockid_t clock) {
    timespec time{};
    ::clock_gettime(clock, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

// Has the kernel note it; see received_at().
inline bool stamp_packets(int socket) {
    const int on = 1;
    return ::setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0;
}

// The stamps are on the wall clock, which may be set: only the packet's age is taken from it.
inline std::optional<std::chrono::nanoseconds> received_at(msghdr& message) {
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr;
         control = CMSG_NXTHDR(&message, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_TIMESTAMPNS) continue;
        timespec stamp{};
        __builtin_memcpy(&stamp, CMSG_DATA(control), sizeof stamp);
        const auto age = now_of(CLOCK_REALTIME) - std::chrono::seconds{stamp.tv_sec} -
                         std::chrono::nanoseconds{stamp.tv_nsec};
        return now_of(CLOCK_MONOTONIC) - age;
    }
    return std::nullopt;
}

}  // namespace pleat::fidelity
