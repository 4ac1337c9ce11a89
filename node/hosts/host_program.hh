// From an Application to what a keeper starts.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.hh"
#include "model/scenario.hh"
#include "node/keeper/protocol.hh"

namespace pleat {

struct HostFacts {
    std::string run;
    std::string name;
    std::string ipv4;
    std::string ipv6;
    std::string log;
};

// With `arguments` in the application's place: for start, its own; for exec, the command.
// Fails when there is no such user, or he can't be reached without root.
Result<keeper::Program> host_program(const Application& application, const HostFacts& facts,
                                     std::vector<std::string> arguments);

keeper::Ready ready_condition(const Application& application);

// What a condition waits for, in words: "no socket listens on TCP port 5201".
std::string unmet(const Application& application);

}  // namespace pleat
