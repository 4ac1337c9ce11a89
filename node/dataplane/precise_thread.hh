// Makes the calling thread run soon after it is woken, by what this user is allowed.
#pragma once

namespace pleat {

// Timers without slack, and real-time priority (the lowest) where it is allowed and another
// processor is left for everyone else; else the shortest time slice, which lets a thread
// that sleeps often go first. Never fails: it is done as well as can be.
void make_this_thread_precise();

}  // namespace pleat
