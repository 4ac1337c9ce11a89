// Starts a program of the host: a new session; its log as output and nothing as input, or the
// streams that somebody gives.
#pragma once

#include <string>

#include <sys/types.h>

#include "base/clock.hh"
#include "node/keeper/protocol.hh"

namespace pleat::keeper {

struct Launched {
    pid_t pid = -1;
    Instant at;           // the exec's success, or the failure
    std::string problem;  // empty: it runs
    int exit_code = 127;  // what a shell would give for the problem
};

// Returns when the exec has succeeded or failed.
Launched launch(const Program& program);

}  // namespace pleat::keeper
