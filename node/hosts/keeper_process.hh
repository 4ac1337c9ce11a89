// KeeperProcess: a keeper as its node sees it: a child process in a new PID namespace and
// the socket to it.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/clock.hh"
#include "base/file_descriptor.hh"
#include "base/process.hh"

namespace pleat {

class [[nodiscard]] KeeperProcess {
  public:
    // Runs `program` (pleat-keeper) with these arguments and environment. Throws.
    KeeperProcess(const std::string& program, std::vector<std::string> arguments,
                  std::vector<std::string> environment);
    KeeperProcess(const KeeperProcess&) = delete;
    KeeperProcess& operator=(const KeeperProcess&) = delete;
    ~KeeperProcess();  // kill() and a bounded wait

    pid_t pid() const { return pid_; }

    int channel() const { return channel_.value(); }

    // Readable once the keeper, and with it every process of the host, has ended.
    int pidfd() const { return pidfd_.value(); }

    // The keeper and everything in its PID namespace, at once.
    void kill() const;

    // How it ended, when it has.
    std::optional<ExitStatus> ended();

  private:
    pid_t pid_ = -1;
    FileDescriptor channel_;
    FileDescriptor pidfd_;
    std::optional<ExitStatus> status_;
};

}  // namespace pleat
