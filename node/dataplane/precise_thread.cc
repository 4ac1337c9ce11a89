#include "node/dataplane/precise_thread.hh"

#include <cstdint>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/realtime.hh"

namespace pleat {

namespace {

// struct sched_attr of linux/sched/types.h, which cannot stand beside <sched.h>.
struct SchedulingAttributes {
    std::uint32_t size = 0;
    std::uint32_t policy = SCHED_OTHER;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime_ns = 0;
    std::uint64_t deadline_ns = 0;
    std::uint64_t period_ns = 0;
};

void take_shortest_slice() {
    SchedulingAttributes attributes;
    attributes.size = sizeof attributes;
    attributes.runtime_ns = 100'000;  // the least that the kernel takes (6.12 on)
    ::syscall(SYS_sched_setattr, 0, &attributes, 0U);
}

}  // namespace

void make_this_thread_precise() {
    ::prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    if (take_realtime_priority()) return;
    take_shortest_slice();
}

}  // namespace pleat
