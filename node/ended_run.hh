// EndedRun: what this node's part of a run has come to, until the controller has it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.hh"
#include "wire/messages.hh"

namespace pleat {

struct EndedRun {
    RunEnded results;
    std::string log;  // path of the node's part of the run log
    std::string
        directory;  // of the hosts' outputs, for a controller that can't read them; or empty

    // RunEnded, then the log from `offset` on in pieces, then the outputs.
    void tell(const std::function<void(const ControlMessage&)>& send, std::uint64_t offset) const;
};

// In a file, for a node daemon that is started anew. Both throw Failure when they can't.
void keep_ended_run(const std::string& path, const EndedRun& run);
Result<EndedRun> read_ended_run(const std::string& path, const std::string& log);

}  // namespace pleat
