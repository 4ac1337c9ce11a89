#include "base/realtime.hh"

#include <sched.h>

namespace pleat {

namespace {

int processors() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
    return CPU_COUNT(&allowed);
}

}  // namespace

bool take_realtime_priority() {
    if (processors() < 2) return false;
    sched_param parameters{};
    parameters.sched_priority = kRealtimePriority;
    return ::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameters) == 0;
}

bool has_realtime_priority() {
    return (::sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == SCHED_FIFO;
}

}  // namespace pleat
