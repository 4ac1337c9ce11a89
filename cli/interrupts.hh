// Interrupts: SIGINT, SIGTERM and SIGHUP as something to read, so that none is lost and
// none arrives in the middle of anything.
#pragma once

#include <csignal>
#include <optional>

#include "base/file_descriptor.hh"

namespace pleat {

class Interrupts {
  public:
    // From here to the destructor these signals do nothing but wait to be read. To be
    // made while the process has one thread.
    Interrupts();
    ~Interrupts();

    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;

    // Readable when next() has something; for an event loop.
    int descriptor() const { return file_.value(); }

    // The number of the next signal; never waits.
    std::optional<int> next();

    // "interrupted", "terminated", "hung up".
    static const char* word(int signal);

  private:
    sigset_t before_{};
    FileDescriptor file_;
};

}  // namespace pleat
