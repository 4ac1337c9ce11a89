// LogSoFar: what the log of a run says that a killed node daemon has left: from it the one
// that takes over knows what has been done.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "model/event.hh"
#include "wire/log_records.hh"
#include "wire/state_messages.hh"

namespace pleat {

struct LogSoFar {
    std::vector<HostRecord> hosts;   // in order
    std::set<EpochId> epochs;        // that have been switched to
    std::vector<FlowState> demands;  // that are not gone, in FlowKey order
    ExperimentTime last{};           // of its latest record

    // Events of the timeline up to here have been carried out.
    std::size_t events_done(const std::vector<TimedEvent>& timeline) const;
};

// Reads it, and cuts off a record at its end that is not whole. Throws Failure when it is
// damaged.
LogSoFar read_log_so_far(const std::string& path);

}  // namespace pleat
