// What the actions of past events have left hosts as: for a node daemon that takes a run over.
#pragma once

#include <set>
#include <span>

#include "model/event.hh"

namespace pleat {

struct ActionsDone {
    std::set<HostId> cut;    // crashed, and not started since
    std::set<HostId> ended;  // crashed or stopped, and not started since
};

// `events` in the order in which they were carried out.
ActionsDone actions_done(std::span<const TimedEvent> events);

}  // namespace pleat
