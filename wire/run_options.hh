// How a run is to be made, beside its scenario: from who submits it, on to each of its nodes.
#pragma once

#include <string>

#include "base/duration.hh"

namespace pleat {

struct RunOptions {
    std::string run;                                            // "r-7f3a"
    std::string run_directory;                                  // absolute
    std::string runtime_directory;                              // absolute: sockets, ledger
    std::string data_plane;                                     // "tun"; empty: chosen
    Duration sample_interval = std::chrono::milliseconds{100};  // zero is "none": no samples
    bool samples = true;
    bool no_applications = false;
    Duration ready_deadline = std::chrono::seconds{30};
    bool compare_shares = false;  // nodes tell each other what they computed
    bool encrypt = false;         // what hosts send between machines; it is authenticated anyway
    // Of machines that are hosts: what others have put on the interface is replaced, and put back
    // at the end; else it is refused.
    bool takeover = false;

    friend bool operator==(const RunOptions&, const RunOptions&) = default;
};

}  // namespace pleat
