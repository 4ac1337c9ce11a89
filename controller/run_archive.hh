// RunArchive: where a session puts what is to be kept of its run.
#pragma once

#include <string>

#include "base/result.hh"
#include "wire/log_records.hh"
#include "wire/messages.hh"

namespace pleat {

class RunArchive {
  public:
    virtual ~RunArchive() = default;

    // All is prepared, on this data plane.
    virtual Result<void> prepared(const std::string& data_plane) = 0;

    // T0 is settled; or, later, what is known by then has changed. A controller that is
    // started anew begins with this.
    virtual Result<void> under_way(const RunFinished& so_far) = 0;

    // Of this machine's log.
    virtual Result<void> add(const std::string& machine, const LogRecord& record) = 0;

    // What a host has written.
    virtual Result<void> add_output(const OutputChunk& chunk) = 0;

    // The end, in whatever way.
    virtual Result<void> finish(const RunFinished& finished) = 0;
};

}  // namespace pleat
