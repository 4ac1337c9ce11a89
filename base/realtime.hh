// Real-time priority of a thread, for what must not wait for applications: packets, and the
// shares by which they become fewer. One priority for all: who does both, or is one of several
// on a machine, gives way to the others in turn.
#pragma once

namespace pleat {

// Gives the calling thread the lowest real-time priority (SCHED_FIFO), where that is allowed and
// another processor is left for everyone else. What it starts does not inherit it. False: it
// has what it had.
bool take_realtime_priority();

// Whether the calling thread has it.
bool has_realtime_priority();

// The priority's number, for libraries that start threads.
constexpr int kRealtimePriority = 1;

}  // namespace pleat
