// HostStatus: how far a host's application is, as its machine tells the others: what
// `after:`, the ready barrier and the end of a run depend on everywhere.
#pragma once

#include <cstdint>
#include <map>

#include "model/ids.hh"

namespace pleat {

struct HostStatus {
    enum class State : std::uint8_t { idle, started, ended };

    State state = State::idle;
    bool ready = false;             // it was, at some time
    std::uint32_t events_done = 0;  // of the timeline, when this was so

    friend bool operator==(const HostStatus&, const HostStatus&) = default;
};

using HostStatuses = std::map<HostId, HostStatus>;

// `hash`, and these statuses mixed in; the same `hash` when there are none.
std::uint64_t digest_with(std::uint64_t hash, const HostStatuses& statuses);

}  // namespace pleat
