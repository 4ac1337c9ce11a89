#include "node/hosts/keeper_process.hh"

#include <csignal>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hh"
#include "node/keeper/channel.hh"
#include "node/keeper/protocol.hh"

namespace pleat {

namespace {

constexpr std::size_t kStackSize = 64UL * 1024;
constexpr int kLongestEndMs = 5000;

struct Entry {
    const char* program = nullptr;
    char* const* arguments = nullptr;
    char* const* environment = nullptr;
    int channel = -1;
    int error = 0;
};

// Runs in our memory, on its own stack, while our thread waits: system calls only.
int enter(void* argument) {
    auto& entry = *static_cast<Entry*>(argument);
    const bool placed = entry.channel == keeper::kNodeDescriptor
                            ? ::fcntl(entry.channel, F_SETFD, 0) == 0
                            : ::dup2(entry.channel, keeper::kNodeDescriptor) >= 0;
    if (placed) ::execve(entry.program, entry.arguments, entry.environment);
    entry.error = errno;
    return 127;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

}  // namespace

KeeperProcess::KeeperProcess(const std::string& program, std::vector<std::string> arguments,
                             std::vector<std::string> environment, bool on_machine)
    : on_machine_{on_machine} {
    auto [ours, theirs] = keeper::make_channel();
    const std::vector<char*> argument_pointers = pointers(arguments);
    const std::vector<char*> environment_pointers = pointers(environment);
    Entry entry{program.c_str(), argument_pointers.data(), environment_pointers.data(),
                theirs.value(), 0};
    std::vector<char> stack(kStackSize);

    // No handler of ours may run in the child: it shares our memory until its exec.
    sigset_t all{};
    sigset_t before{};
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    // As vfork does: a copy of a large node's page tables would cost more than the exec.
    int pidfd = -1;
    const int namespaces = on_machine ? 0 : CLONE_NEWPID;
    pid_ = ::clone(enter, stack.data() + stack.size(),
                   CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD | namespaces, &entry, &pidfd);
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);

    if (pid_ < 0) {
        errno = error;
        check_feature("cannot make a PID namespace", -1);
    }
    pidfd_ = FileDescriptor{pidfd};
    channel_ = std::move(ours);
    if (entry.error != 0) {
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
        throw std::system_error{entry.error, std::system_category(), "cannot execute " + program};
    }
}

KeeperProcess::KeeperProcess(pid_t pid, FileDescriptor pidfd, FileDescriptor channel)
    : pid_{pid}, channel_{std::move(channel)}, pidfd_{std::move(pidfd)}, is_child_{false} {}

KeeperProcess::~KeeperProcess() {
    kill();
    wait_for_end();
    if (!ended() && on_machine_) {
        send(SIGKILL);
        wait_for_end();
    }
    ended();
}

void KeeperProcess::wait_for_end() const {
    pollfd wait{pidfd_.value(), POLLIN, 0};
    while (!ended_ && ::poll(&wait, 1, kLongestEndMs) < 0 && errno == EINTR) {
    }
}

void KeeperProcess::send(int signal) const {
    if (!ended_) ::syscall(SYS_pidfd_send_signal, pidfd_.value(), signal, nullptr, 0U);
}

void KeeperProcess::kill() const {
    send(on_machine_ ? SIGTERM : SIGKILL);
}

bool KeeperProcess::ended() {
    if (ended_) return true;
    if (!is_child_) {
        pollfd look{pidfd_.value(), POLLIN, 0};
        ended_ = ::poll(&look, 1, 0) == 1;
        return ended_;
    }
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
    status_ = ExitStatus{status};
    ended_ = true;
    return true;
}

std::string KeeperProcess::end_text() const {
    return status_ ? status_->text() : "how is not known";
}

}  // namespace pleat
