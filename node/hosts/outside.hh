// The outside host: its namespace reaches the machine's own network through slirp4netns,
// which needs no root and changes nothing on the machine.
#pragma once

#include <string>

#include <sys/types.h>

#include "base/clock.hh"
#include "base/process.hh"
#include "model/addressing.hh"

namespace pleat {

// The network between the outside host's namespace and slirp4netns.
struct OutsideNetwork {
    std::string range;        // "198.18.0.0/24"
    std::string machine;      // what reaches the machine's loopback
    std::string name_server;  // answers as the machine's own
};

// One that does not overlap the run's addresses.
OutsideNetwork outside_network(const AddressPlan& addresses);

// Connects the namespace of process `keeper`. slirp4netns ends when the other end of
// `until_closed` is closed. Its output is appended to `log`. Throws Failure.
Child connect_outside(pid_t keeper, const OutsideNetwork& network, int until_closed,
                      const std::string& log, Duration patience);

}  // namespace pleat
