// Starts a program of the host: a new session; its log as output and nothing as input, or the
// streams that somebody gives.
#pragma once

#include <string>

#include <sys/types.h>

#include "base/clock.hh"
#include "node/keeper/host_processes.hh"
#include "node/keeper/protocol.hh"

namespace pleat::keeper {

struct Launched {
    pid_t pid = -1;
    Instant at;           // the exec's success, or the failure
    std::string problem;  // empty: it runs
    int exit_code = 127;  // what a shell would give for the problem
};

// Returns when the exec has succeeded or failed. Where it is no PID namespace that ends a program
// with its keeper, it has the run's mark, by which `clean` finds it, and dies with the keeper.
Launched launch(const Program& program, Reach reach = Reach::pid_namespace);

}  // namespace pleat::keeper
