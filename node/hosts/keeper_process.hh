// KeeperProcess: a keeper as its node sees it: a process in a PID namespace of its own (but for a
// host that is the machine itself), our child or that of a node before us, and the socket to it.
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
                  std::vector<std::string> environment, bool on_machine = false);
    // One that an earlier node has started, and that is ours now.
    KeeperProcess(pid_t pid, FileDescriptor pidfd, FileDescriptor channel);
    KeeperProcess(const KeeperProcess&) = delete;
    KeeperProcess& operator=(const KeeperProcess&) = delete;
    ~KeeperProcess();  // kill() and a bounded wait

    pid_t pid() const { return pid_; }

    int channel() const { return channel_.value(); }

    // Readable once the keeper, and with it every process of the host, has ended.
    int pidfd() const { return pidfd_.value(); }

    // The keeper and everything in its PID namespace, at once; one without is told to end all that
    // it has started.
    void kill() const;

    bool ended();

    // How, when it has: "killed by signal 9 (Killed)"; of one that is not our child nobody
    // tells us.
    std::string end_text() const;

  private:
    void send(int signal) const;
    void wait_for_end() const;

    pid_t pid_ = -1;
    FileDescriptor channel_;
    FileDescriptor pidfd_;
    bool is_child_ = true;
    bool on_machine_ = false;
    bool ended_ = false;
    std::optional<ExitStatus> status_;  // of a child that has ended
};

}  // namespace pleat
