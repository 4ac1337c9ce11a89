#include "cli/interrupts.hh"

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.hh"

namespace pleat {

Interrupts::Interrupts() {
    sigset_t set{};
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
    file_ = FileDescriptor{
        check("cannot watch for signals", ::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC))};
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
}

Interrupts::~Interrupts() {
    // What nobody read has had its effect: the run is over.
    while (next()) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<int> Interrupts::next() {
    signalfd_siginfo info{};
    if (::read(file_.value(), &info, sizeof info) != ssize_t{sizeof info}) return std::nullopt;
    return static_cast<int>(info.ssi_signo);
}

const char* Interrupts::word(int signal) {
    if (signal == SIGTERM) return "terminated";
    if (signal == SIGHUP) return "hung up";
    return "interrupted";
}

}  // namespace pleat
