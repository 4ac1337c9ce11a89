// Child: a child process that has one owner. Started in one step, waited for by its
// pidfd with a deadline, ended when its owner goes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/clock.hh"
#include "base/file_descriptor.hh"
#include "base/result.hh"

namespace pleat {

// A descriptor of ours that the child has under the number `as`.
struct PassedDescriptor {
    int descriptor = -1;
    int as = -1;
};

struct Command {
    // argv. Without a slash, arguments[0] is looked for in PATH.
    std::vector<std::string> arguments;
    // What is executed; empty: arguments[0].
    std::string program;
    // "NAME=value" on top of our own environment; a later one replaces an earlier one.
    std::vector<std::string> environment;
    std::string directory;  // empty: ours
    // Everything else is closed. 0, 1 and 2 are ours when not named here.
    std::vector<PassedDescriptor> descriptors;
    // Sent to the child when the thread that started it ends, however it ends.
    std::optional<int> parent_death_signal;
    bool new_session = false;  // Ctrl-C on the terminal does not reach it
};

// How a process ended.
struct ExitStatus {
    int wait_status = 0;  // as waitpid gives it

    // The exit code; 128 + n when signal n ended it.
    int code() const;
    // "exited with code 3", "killed by signal 9 (Killed)".
    std::string text() const;
};

class [[nodiscard]] Child {
  public:
    // Returns when the exec has succeeded; says what failed and why otherwise.
    static Result<Child> start(const Command& command);

    Child(Child&&) noexcept;
    Child& operator=(Child&&) noexcept;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();  // SIGKILL and reap, when it still runs

    pid_t pid() const { return pid_; }

    // Readable when the child has ended; for an event loop.
    int pidfd() const { return pidfd_.value(); }

    // False when it has ended already.
    bool signal(int number) const;

    // Nothing when it still runs at the deadline (an instant in the past: just looks).
    std::optional<ExitStatus> wait_until(Instant deadline);

    // SIGTERM, then after `grace` SIGKILL; returns how it ended.
    ExitStatus end(Duration grace);

    // Lets it live on without us.
    void release();

  private:
    Child(pid_t pid, FileDescriptor pidfd);

    pid_t pid_ = -1;
    FileDescriptor pidfd_;
    std::optional<ExitStatus> status_;
};

// Where `program` is found in PATH (or itself, with a slash): an executable file.
std::optional<std::string> find_program(const std::string& program);

// A program of ours: beside the running executable, else in PATH.
std::optional<std::string> find_sibling_program(const std::string& program);

// When a process started, in clock ticks since boot (field 22 of /proc/PID/stat): with
// the pid it names one process of this boot. Nothing: it has ended.
std::optional<std::uint64_t> process_start_ticks(pid_t pid);

}  // namespace pleat
