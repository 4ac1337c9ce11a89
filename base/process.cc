#include "base/process.hh"

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.hh"

// The environment that a child gets unless told otherwise.
extern char** environ;  // NOLINT(readability-redundant-declaration): not in every libc's header

namespace pleat {

namespace {

std::string reason(int error) {
    return std::system_category().message(error);
}

// Everything that the child needs, made before the fork: after it only calls that are
// safe in a copy of a process with threads.
struct Prepared {
    const char* program = nullptr;
    std::vector<char*> arguments;
    std::vector<char*> environment;
    const char* directory = nullptr;
    // dup2() from the first to the second; the first is above every second.
    std::vector<std::pair<int, int>> moves;
    int highest = 2;        // the child's highest descriptor
    std::vector<int> gaps;  // those below it, from 3 on, that the child does not have
    int status_pipe = -1;
    std::optional<int> parent_death_signal;
    pid_t parent = 0;
    bool new_session = false;
};

// What the child could not do, sent through the pipe.
struct Trouble {
    int error = 0;
    int step = 0;  // index of kSteps
};

constexpr std::array<const char*, 4> kSteps{"prepare for", "change directory for",
                                            "pass descriptors to", "execute"};

[[noreturn]] void give_up(const Prepared& p, int step) {
    const Trouble trouble{errno, step};
    static_cast<void>(!::write(p.status_pipe, &trouble, sizeof trouble));
    ::_exit(127);
}

[[noreturn]] void become(Prepared& p) {
    for (int n = 1; n < NSIG; ++n) ::signal(n, SIG_DFL);  // NOLINT(cert-err33-c): some can't be
    sigset_t none{};
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (p.parent_death_signal) {
        if (::prctl(PR_SET_PDEATHSIG, *p.parent_death_signal) != 0) give_up(p, 0);
        // The parent may have died before the line above.
        if (::getppid() != p.parent) ::_exit(127);
    }
    if (p.new_session && ::setsid() < 0) give_up(p, 0);
    if (p.directory != nullptr && ::chdir(p.directory) != 0) give_up(p, 1);
    for (const auto& [from, to] : p.moves) {
        if (::dup2(from, to) < 0) give_up(p, 2);
    }
    for (const int gap : p.gaps) ::close(gap);
    // All but the pipe, which closes itself when the exec succeeds.
    const auto first = static_cast<unsigned>(p.highest) + 1;
    const auto pipe = static_cast<unsigned>(p.status_pipe);
    if (pipe > first) ::syscall(SYS_close_range, first, pipe - 1, 0U);
    ::syscall(SYS_close_range, pipe + 1, ~0U, 0U);
    ::execve(p.program, p.arguments.data(), p.environment.data());
    give_up(p, 3);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

std::vector<std::string> merged_environment(const std::vector<std::string>& additions) {
    std::vector<std::string> result;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        result.emplace_back(*entry);
    }
    for (const std::string& addition : additions) {
        const std::string name = addition.substr(0, addition.find('=') + 1);
        std::erase_if(result, [&name](const std::string& e) { return e.starts_with(name); });
        result.push_back(addition);
    }
    return result;
}

}  // namespace

int ExitStatus::code() const {
    if (WIFSIGNALED(wait_status)) return 128 + WTERMSIG(wait_status);
    return WEXITSTATUS(wait_status);
}

std::string ExitStatus::text() const {
    if (WIFSIGNALED(wait_status)) {
        const int number = WTERMSIG(wait_status);
        const char* const name = ::sigdescr_np(number);
        return "killed by signal " + std::to_string(number) + " (" +
               (name == nullptr ? "unknown" : name) + ")";
    }
    return "exited with code " + std::to_string(WEXITSTATUS(wait_status));
}

Result<Child> Child::start(const Command& command) {
    PLEAT_ASSERT(!command.arguments.empty() || !command.program.empty());
    const std::string& wanted = command.program.empty() ? command.arguments[0] : command.program;
    const std::optional<std::string> program = find_program(wanted);
    if (!program) return fail("cannot execute '" + wanted + "': no such program");

    std::vector<std::string> arguments = command.arguments;
    if (arguments.empty()) arguments.push_back(*program);
    std::vector<std::string> environment = merged_environment(command.environment);

    Prepared p;
    p.program = program->c_str();
    p.arguments = pointers(arguments);
    p.environment = pointers(environment);
    if (!command.directory.empty()) p.directory = command.directory.c_str();
    p.parent_death_signal = command.parent_death_signal;
    p.parent = ::getpid();
    p.new_session = command.new_session;
    for (const PassedDescriptor& passed : command.descriptors) {
        p.highest = std::max(p.highest, passed.as);
    }
    for (int n = 3; n < p.highest; ++n) {
        const bool wanted_here = std::ranges::any_of(
            command.descriptors, [n](const PassedDescriptor& passed) { return passed.as == n; });
        if (!wanted_here) p.gaps.push_back(n);
    }
    // Copies above all target numbers, so that no move overwrites another's source.
    std::vector<FileDescriptor> copies;
    for (const PassedDescriptor& passed : command.descriptors) {
        copies.emplace_back(::fcntl(passed.descriptor, F_DUPFD_CLOEXEC, p.highest + 1));
        if (!copies.back().open()) {
            return fail("cannot pass descriptor " + std::to_string(passed.descriptor) + " to '" +
                        wanted + "': " + reason(errno));
        }
        p.moves.emplace_back(copies.back().value(), passed.as);
    }

    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail("cannot start '" + wanted + "': " + reason(errno));
    }
    FileDescriptor reading{ends[0]};
    FileDescriptor low_writing{ends[1]};
    FileDescriptor writing{::fcntl(low_writing.value(), F_DUPFD_CLOEXEC, p.highest + 1)};
    low_writing.close();
    p.status_pipe = writing.value();
    if (!writing.open()) return fail("cannot start '" + wanted + "': " + reason(errno));

    // No signal handler of ours may run in the child.
    sigset_t all{};
    sigset_t before{};
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::fork();
    if (pid == 0) become(p);
    const int fork_error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) return fail("cannot start '" + wanted + "': " + reason(fork_error));
    writing.close();

    Child child{pid, FileDescriptor{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U))}};
    Trouble trouble;
    ssize_t n = 0;
    do {
        n = ::read(reading.value(), &trouble, sizeof trouble);
    } while (n < 0 && errno == EINTR);
    if (n == static_cast<ssize_t>(sizeof trouble)) {
        return fail(std::string{"cannot "} + kSteps.at(static_cast<std::size_t>(trouble.step)) +
                    " '" + wanted + "': " + reason(trouble.error));
    }
    if (!child.pidfd_.open()) return fail("cannot watch '" + wanted + "': " + reason(errno));
    return child;
}

Child::Child(pid_t pid, FileDescriptor pidfd) : pid_{pid}, pidfd_{std::move(pidfd)} {}

Child::Child(Child&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)},
      pidfd_{std::move(other.pidfd_)},
      status_{other.status_} {}

Child& Child::operator=(Child&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(pidfd_, other.pidfd_);
    std::swap(status_, other.status_);
    return *this;
}

Child::~Child() {
    if (pid_ < 0 || status_) return;
    ::kill(pid_, SIGKILL);  // it is our unreaped child, so the pid is its own
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

bool Child::signal(int number) const {
    return pid_ >= 0 && !status_ && ::kill(pid_, number) == 0;
}

std::optional<ExitStatus> Child::wait_until(Instant deadline) {
    if (status_ || pid_ < 0) return status_;
    while (true) {
        const Duration left = std::max(deadline - monotonic_now(), Duration{0});
        const auto whole = std::chrono::duration_cast<std::chrono::seconds>(left);
        const timespec wait{whole.count(), static_cast<long>((left - whole).count())};
        pollfd ended{pidfd_.value(), POLLIN, 0};
        const int ready = ::ppoll(&ended, 1, &wait, nullptr);
        if (ready < 0 && errno == EINTR) continue;
        check("cannot wait for a child process", ready);
        int status = 0;
        const pid_t reaped = ::waitpid(pid_, &status, WNOHANG);
        if (reaped == pid_) {
            status_ = ExitStatus{status};
            return status_;
        }
        if (reaped < 0) {
            throw std::system_error{errno, std::system_category(), "cannot reap a child process"};
        }
        if (ready == 0) return std::nullopt;
    }
}

ExitStatus Child::end(Duration grace) {
    signal(SIGTERM);
    if (const auto status = wait_until(monotonic_now() + grace)) return *status;
    signal(SIGKILL);
    // The kernel ends it; one that hangs in the kernel for a minute we report instead.
    if (const auto status = wait_until(monotonic_now() + std::chrono::minutes{1})) return *status;
    throw Failure{"process " + std::to_string(pid_) + " did not end within 60 s of SIGKILL"};
}

void Child::release() {
    pid_ = -1;
    pidfd_.close();
}

std::optional<std::string> find_program(const std::string& program) {
    if (program.empty()) return std::nullopt;
    const auto executable = [](const std::string& path) {
        struct stat facts{};
        return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) &&
               ::access(path.c_str(), X_OK) == 0;
    };
    // With a slash exec says itself what is wrong with it.
    if (program.find('/') != std::string::npos) return program;
    const char* const path = ::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    std::string_view rest = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
    while (!rest.empty()) {
        const std::size_t colon = std::min(rest.find(':'), rest.size());
        const std::string directory{rest.substr(0, colon)};
        rest.remove_prefix(std::min(colon + 1, rest.size()));
        std::string candidate = (directory.empty() ? "." : directory) + "/" + program;
        if (executable(candidate)) return candidate;
    }
    return std::nullopt;
}

std::optional<std::string> find_sibling_program(const std::string& program) {
    std::array<char, 4096> self{};
    const ssize_t n = ::readlink("/proc/self/exe", self.data(), self.size());
    if (n > 0) {
        const std::string path{self.data(), static_cast<std::size_t>(n)};
        std::string candidate = path.substr(0, path.rfind('/') + 1) + program;
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return find_program(program);
}

std::optional<std::uint64_t> process_start_ticks(pid_t pid) {
    const auto stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    if (!stat) return std::nullopt;
    // Field 2 is the name in parentheses and may hold anything, also spaces and ')'.
    const std::size_t close = stat->rfind(')');
    if (close == std::string::npos) return std::nullopt;
    // A zombie has ended, though nobody has reaped it.
    if (stat->size() < close + 3 || (*stat)[close + 2] == 'Z') return std::nullopt;
    std::size_t at = close + 1;  // the space before field 3
    for (int field = 3; field <= 22; ++field) {
        at = stat->find(' ', at);
        if (at == std::string::npos) return std::nullopt;
        ++at;
    }
    std::uint64_t ticks = 0;
    const auto [end, status] =
        std::from_chars(stat->data() + at, stat->data() + stat->size(), ticks);
    if (status != std::errc{}) return std::nullopt;
    return ticks;
}

}  // namespace pleat
