// Programs under test: started with their output kept, waited for with a deadline.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/clock.hh"
#include "base/process.hh"

namespace pleat::system_test {

using namespace std::chrono_literals;

// How a program ended.
struct Ended {
    int code = -1;  // 128 + n when signal n ended it
    std::string out;
    std::string err;
    Duration took{};
};

class [[nodiscard]] Program {
  public:
    // Throws Failure when it can't be started. Its standard input is empty.
    explicit Program(Command command);

    pid_t pid() const { return child_.pid(); }

    bool signal(int number) const { return child_.signal(number); }

    bool ended();

    // What it has written so far.
    std::string out() const;
    std::string err() const;

    // Throws Failure with what it has written when it still runs after `patience`.
    Ended finish(Duration patience = 40s);

  private:
    std::string what_;
    FileDescriptor out_;
    FileDescriptor err_;
    Instant began_;
    Child child_;
};

// Starts it and waits for its end.
Ended run_program(Command command, Duration patience = 40s);

// The directory in which this build's programs are.
std::string program_directory();
// The path of one of them.
std::string our_program(const std::string& name);

// Looks until `holds` does or the time is over; says whether it does. The one place that
// waits without an event to wait for.
bool eventually(Duration patience, const std::function<bool()>& holds);

}  // namespace pleat::system_test
