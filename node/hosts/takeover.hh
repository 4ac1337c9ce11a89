// Takeover: what a restarted node asks of keepers that lost the one before: rules (2), (3)
// and (8) of node/keeper/protocol.hh.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/clock.hh"
#include "base/file_descriptor.hh"
#include "model/ids.hh"
#include "node/keeper/protocol.hh"

namespace pleat {

// One keeper that is now ours.
struct TakenOver {
    FileDescriptor channel;
    pid_t pid = -1;
    FileDescriptor pidfd;
    FileDescriptor port;  // the TUN, or the host's network namespace
    std::map<std::string, FileDescriptor> held;
    keeper::Up up;
};

// Asks the keepers at these sockets, all at the same time. Those that are gone, or do not
// answer within `patience`, are left out; one that still has a node is asked again until then.
std::map<HostId, TakenOver> take_over(const std::string& mark,
                                      const std::map<HostId, std::string>& sockets,
                                      Duration patience);

// The hosts that a node daemon has left, and what it had their keepers hold.
struct LeftHosts {
    std::map<HostId, TakenOver> hosts;
    std::map<std::string, FileDescriptor>
        underlay;                                // of kernel planes: names of keeper::kUnderlay…
    std::map<std::string, FileDescriptor> held;  // others
};

// Where the keeper of a host listens.
std::string keeper_socket(const std::string& runtime_directory, HostId host);

// Throws Failure when no keeper of the run is there any more.
LeftHosts ask_keepers(const std::string& runtime_directory, const std::string& run,
                      const std::vector<HostId>& hosts, Duration patience);

}  // namespace pleat
