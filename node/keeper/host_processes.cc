#include "node/keeper/host_processes.hh"

#include <charconv>
#include <csignal>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/files.hh"

namespace pleat::keeper {

namespace {

template <typename Number>
std::optional<Number> number(std::string_view text) {
    Number value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc{} || end != text.data() + text.size()) return {};
    return value;
}

// "PID (NAME) STATE PARENT …", and a NAME may hold anything.
std::optional<pid_t> parent_of(pid_t pid) {
    const auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
    if (!text) return {};
    const std::size_t name_end = text->rfind(") ");
    if (name_end == std::string::npos || name_end + 4 >= text->size()) return {};
    const std::string_view rest = std::string_view{*text}.substr(name_end + 4);
    return number<pid_t>(rest.substr(0, rest.find(' ')));
}

std::vector<pid_t> descendants() {
    std::multimap<pid_t, pid_t> children;
    DIR* const proc = ::opendir("/proc");
    if (proc == nullptr) return {};
    while (const dirent* const entry = ::readdir(proc)) {  // NOLINT(concurrency-mt-unsafe)
        const auto pid = number<pid_t>(static_cast<const char*>(entry->d_name));
        if (!pid) continue;
        if (const auto parent = parent_of(*pid)) children.emplace(*parent, *pid);
    }
    ::closedir(proc);
    std::vector<pid_t> found{::getpid()};
    for (std::size_t i = 0; i < found.size(); ++i) {
        const auto [first, last] = children.equal_range(found[i]);
        for (auto child = first; child != last; ++child) found.push_back(child->second);
    }
    found.erase(found.begin());
    return found;
}

}  // namespace

void begin_to_reach(Reach reach) {
    if (reach != Reach::descendants) return;
    check("cannot become the parent of orphans", ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
}

void signal_processes(Reach reach, int signal) {
    if (reach == Reach::pid_namespace) {
        ::kill(-1, signal);
        return;
    }
    for (const pid_t pid : descendants()) ::kill(pid, signal);
}

void end_processes(Reach reach) {
    if (reach == Reach::pid_namespace) return;
    constexpr int kMostRounds = 200;
    constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 10'000'000};
    for (int round = 0; round < kMostRounds; ++round) {
        // Again, for a process may have started one more meanwhile.
        signal_processes(reach, SIGKILL);
        pid_t reaped = 0;
        while ((reaped = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
        }
        if (reaped < 0) return;  // no child is left
        ::nanosleep(&kPause, nullptr);
    }
}

}  // namespace pleat::keeper
