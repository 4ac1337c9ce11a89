// The processes of a host, as its keeper reaches them all: those of its PID namespace or, of a
// machine as it is, the keeper's descendants (it is their subreaper, so that none gets away).
#pragma once

#include <cstdint>

namespace pleat::keeper {

enum class Reach : std::uint8_t { pid_namespace, descendants };

// Makes orphans among the descendants ours; nothing to do in a PID namespace.
void begin_to_reach(Reach reach);

// To every process of the host but ourselves.
void signal_processes(Reach reach, int number);

// SIGKILL to all, until none is left; bounded. (With its first process a PID namespace ends
// by itself.)
void end_processes(Reach reach);

}  // namespace pleat::keeper
