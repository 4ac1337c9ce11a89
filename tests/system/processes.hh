// Which processes live beneath one of ours, told by their parents: those that lost their
// own parent come to the test, which adopts them (see workplace.cc).
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace pleat::system_test {

struct Process {
    pid_t pid = 0;
    pid_t parent = 0;
    std::string program;  // the file's name: "pleat-node"
    std::string command;  // its command line

    friend bool operator==(const Process&, const Process&) = default;
};

// All that live beneath `ancestor`, ascending by pid; ended ones that nobody has reaped
// are not among them.
std::vector<Process> processes_beneath(pid_t ancestor);

// A program of pleat's own, not an application.
bool is_pleat(const Process& process);

}  // namespace pleat::system_test
