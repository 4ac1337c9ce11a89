#include "node/keeper/launch.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "base/passed_descriptors.hh"
#include "base/result.hh"

extern char** environ;  // NOLINT(readability-redundant-declaration): not in every libc's header

namespace pleat::keeper {

namespace {

enum class Step : std::uint8_t { session, user, execute };

struct Trouble {
    int error = 0;
    Step step = Step::execute;
};

// The keeper's own environment, mostly without pleat's mark, under the program's.
std::vector<std::string> environment_of(const Program& program, Reach reach) {
    std::vector<std::string> result;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const bool is_mark = std::string_view{*entry}.starts_with("PLEAT_MARK=");
        if (!is_mark || reach == Reach::descendants) result.emplace_back(*entry);
    }
    for (const std::string& addition : program.environment) {
        const std::string name = addition.substr(0, addition.find('=') + 1);
        std::erase_if(result, [&name](const std::string& e) { return e.starts_with(name); });
        result.push_back(addition);
    }
    return result;
}

std::vector<std::string> candidates(const std::string& name,
                                    const std::vector<std::string>& environment) {
    if (name.find('/') != std::string::npos) return {name};
    std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (const std::string& entry : environment) {
        if (entry.starts_with("PATH=")) path = entry.substr(5);
    }
    std::vector<std::string> result;
    for (std::size_t from = 0; from <= path.size() && !name.empty();) {
        const std::size_t colon = std::min(path.find(':', from), path.size());
        const std::string directory = path.substr(from, colon - from);
        result.push_back((directory.empty() ? "." : directory) + "/" + name);
        from = colon + 1;
    }
    return result;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

bool take_identity(const Identity& identity) {
    static_assert(sizeof(gid_t) == sizeof(std::uint32_t));
    return ::setgroups(identity.groups.size(), identity.groups.data()) == 0 &&
           ::setresgid(identity.group, identity.group, identity.group) == 0 &&
           ::setresuid(identity.user, identity.user, identity.user) == 0;
}

// Tries every place of PATH. A file that is there but can't be executed is said rather
// than that there is none; a directory that we may not look into counts as empty.
int execute_first(const std::vector<std::string>& paths, char* const* arguments,
                  char* const* environment) {
    int result = ENOENT;
    for (const std::string& path : paths) {
        ::execve(path.c_str(), arguments, environment);
        const int error = errno;
        if (error == ENOENT || error == ENOTDIR) continue;
        const bool hidden = error == EACCES && ::access(path.c_str(), F_OK) != 0;
        if (hidden && paths.size() > 1) continue;
        result = error;
        if (error != EACCES) break;
    }
    return result;
}

// Standard input, output and error.
using Streams = std::array<FileDescriptor, 3>;

Result<Streams> open_log(const std::string& path) {
    Streams streams{FileDescriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)},
                    FileDescriptor{::open(
                        path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644)},
                    {}};
    if (!streams[1].open()) {
        return fail("cannot open the log " + path + ": " + std::system_category().message(errno));
    }
    streams[2] = FileDescriptor{::fcntl(streams[1].value(), F_DUPFD_CLOEXEC, 0)};
    return streams;
}

// Of those who started the run; who hold the socket answer at once.
Result<Streams> take_streams(const std::string& path) {
    constexpr timeval kPatience{.tv_sec = 5, .tv_usec = 0};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const FileDescriptor socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    static_cast<void>(
        ::setsockopt(socket.value(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as connect() wants it
    const auto* const any = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(socket.value(), any, sizeof address) != 0) {
        return fail("cannot reach " + path + ": " + std::system_category().message(errno));
    }
    std::vector<FileDescriptor> given = receive_descriptors(socket.value());
    if (given.size() != 3) return fail("no input and output came from " + path);
    return Streams{std::move(given[0]), std::move(given[1]), std::move(given[2])};
}

// In the child.
bool connect_streams(const Streams& streams) {
    for (int number = 0; number < 3; ++number) {
        const FileDescriptor& stream = streams.at(static_cast<std::size_t>(number));
        // A descriptor that has its number already would be closed by exec.
        const bool done = stream.value() == number ? ::fcntl(number, F_SETFD, 0) == 0
                                                   : ::dup2(stream.value(), number) == number;
        if (!done) return false;
    }
    return true;
}

std::string problem_of(const Trouble& trouble, const Program& program) {
    const std::string reason = std::system_category().message(trouble.error);
    switch (trouble.step) {
        case Step::session:
            return "cannot prepare a process: " + reason;
        case Step::user:
            return "cannot become user " +
                   std::to_string(program.identity ? program.identity->user : 0) + ": " + reason;
        case Step::execute:
            break;
    }
    return "cannot execute '" + program.arguments.at(0) + "': " + reason;
}

Launched failed(std::string problem) {
    Launched result;
    result.at = monotonic_now();
    result.problem = std::move(problem);
    return result;
}

}  // namespace

Launched launch(const Program& program, Reach reach) {
    if (program.arguments.empty()) return failed("cannot execute nothing");
    const Result<Streams> streams =
        program.streams.empty() ? open_log(program.log) : take_streams(program.streams);
    if (!streams) return failed(streams.error().message);
    std::vector<std::string> arguments = program.arguments;
    std::vector<std::string> environment = environment_of(program, reach);
    const std::vector<std::string> paths = candidates(arguments[0], environment);
    const std::vector<char*> argument_pointers = pointers(arguments);
    const std::vector<char*> environment_pointers = pointers(environment);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return failed("cannot make a pipe: " + std::system_category().message(errno));
    }
    const FileDescriptor reading{ends[0]};
    FileDescriptor writing{ends[1]};

    // The keeper has one thread, so the child may do anything.
    const pid_t pid = ::fork();
    if (pid < 0) {
        return failed("cannot start a process: " + std::system_category().message(errno));
    }
    if (pid == 0) {
        const auto give_up = [&writing](Step step, int error) {
            const Trouble trouble{error, step};
            static_cast<void>(!::write(writing.value(), &trouble, sizeof trouble));
            ::_exit(127);
        };
        for (int n = 1; n < NSIG; ++n) ::signal(n, SIG_DFL);  // NOLINT(cert-err33-c)
        sigset_t none{};
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        if (::setsid() < 0 || !connect_streams(*streams)) give_up(Step::session, errno);
        // A terminal that is nobody's yet: for Ctrl-C and job control.
        if (!program.streams.empty()) static_cast<void>(::ioctl(0, TIOCSCTTY, 0));
        if (program.identity && !take_identity(*program.identity)) give_up(Step::user, errno);
        if (reach == Reach::descendants) ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        give_up(Step::execute,
                execute_first(paths, argument_pointers.data(), environment_pointers.data()));
    }
    writing.close();
    Trouble trouble;
    ssize_t n = 0;
    do {
        n = ::read(reading.value(), &trouble, sizeof trouble);
    } while (n < 0 && errno == EINTR);
    Launched result;
    result.at = monotonic_now();
    result.pid = pid;
    if (n != static_cast<ssize_t>(sizeof trouble)) return result;
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    result.pid = -1;
    result.problem = problem_of(trouble, program);
    result.exit_code = trouble.error == ENOENT ? 127 : 126;
    return result;
}

}  // namespace pleat::keeper
