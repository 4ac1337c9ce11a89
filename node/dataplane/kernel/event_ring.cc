#include "node/dataplane/kernel/event_ring.hh"

#include <cerrno>
#include <cstring>
#include <string>

#include <bpf/libbpf.h>

#include "base/error.hh"

namespace pleat {

namespace {

[[noreturn]] void fail(int error) {
    throw Failure{std::string{"reading the events of a BPF program: "} + std::strerror(error)};
}

}  // namespace

void EventRing::Free::operator()(ring_buffer* ring) const noexcept {
    ring_buffer__free(ring);
}

EventRing::EventRing(int map) {
    ring_.reset(ring_buffer__new(
        map,
        [](void* context, void* data, std::size_t size) {
            (*static_cast<const EventRing*>(context)->take_)(data, size);
            return 0;
        },
        this, nullptr));
    if (!ring_) fail(errno);
}

EventRing::~EventRing() = default;

int EventRing::descriptor() const {
    return ring_buffer__epoll_fd(ring_.get());
}

std::size_t EventRing::consume(const Take& take) {
    take_ = &take;
    const int taken = ring_buffer__consume(ring_.get());
    take_ = nullptr;
    if (taken < 0) fail(-taken);
    return static_cast<std::size_t>(taken);
}

}  // namespace pleat
