// find_leftovers() and clean(): what dead runs have left, and its undoing.

#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <optional>
#include <set>

#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/files.hh"
#include "base/interface_undo.hh"
#include "base/ledger_file.hh"
#include "base/process.hh"
#include "base/run_ledger.hh"

namespace pleat {

namespace fs = std::filesystem;

namespace {

struct Leftover {
    RunLeftover summary;
    ledger::Content content;
    bool same_boot = false;
    std::string interface_problem;  // it is not known what an interface had
};

// A process that will be ended, held so that its pid can't pass to another.
struct Held {
    ledger::Process process;
    FileDescriptor pidfd;
};

// This user's processes with the run's mark in the environment they were started with.
std::vector<ledger::Process> marked_processes(const std::string& mark) {
    std::vector<ledger::Process> result;
    const std::string wanted = '\0' + (ledger::kMarkVariable + mark) + '\0';
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator{"/proc", ignored}) {
        const std::string name = entry.path().filename().string();
        pid_t pid = 0;
        const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (status != std::errc{} || end != name.data() + name.size()) continue;
        struct stat facts{};
        const bool ours = pid != ::getpid() && ::stat(entry.path().c_str(), &facts) == 0 &&
                          facts.st_uid == ::geteuid();
        if (!ours) continue;
        const auto start = process_start_ticks(pid);
        const auto environment = read_file(entry.path().string() + "/environ");
        if (!start || !environment) continue;
        if (('\0' + *environment).find(wanted) == std::string::npos) continue;
        result.push_back({"marked", pid, *start});
    }
    return result;
}

// Those of the ledger and those with its mark that live.
std::vector<ledger::Process> living(const Leftover& leftover) {
    std::vector<ledger::Process> result;
    if (!leftover.same_boot) return result;
    std::set<pid_t> known;
    for (const ledger::Process& process : leftover.content.processes) {
        if (process.pid == ::getpid() || !ledger::alive(process)) continue;
        if (known.insert(process.pid).second) result.push_back(process);
    }
    if (leftover.content.mark.empty()) return result;
    for (ledger::Process& process : marked_processes(leftover.content.mark)) {
        if (known.insert(process.pid).second) result.push_back(std::move(process));
    }
    return result;
}

bool is_ours(const fs::path& directory) {
    struct stat facts{};
    return ::lstat(directory.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) &&
           facts.st_uid == ::geteuid();
}

// What `directory` is, when it is a dead run's.
std::optional<Leftover> leftover_at(const fs::path& directory, const ledger::Machine& machine) {
    if (!is_ours(directory)) return std::nullopt;
    const std::string name = directory.filename().string();
    Leftover leftover;
    leftover.summary.run = name;
    leftover.summary.directory = directory.string();
    if (const auto maker = ledger::maker_of_draft(name)) {
        if (ledger::alive(*maker)) return std::nullopt;
        return leftover;
    }
    auto content = ledger::read(directory.string());
    // Without a ledger it is not known to be ours; of another PID namespace nobody here
    // can tell whether its owner lives.
    if (!content) return std::nullopt;
    leftover.same_boot = content->machine.boot == machine.boot;
    if (leftover.same_boot && content->machine != machine) return std::nullopt;
    if (leftover.same_boot && !content->processes.empty() &&
        ledger::alive(content->processes.front())) {
        return std::nullopt;
    }
    // A machine that is a network namespace has its own; nobody else can put back what it had.
    std::optional<InterfaceUndo> interface;
    try {
        interface = read_interface_undo(directory.string());
    } catch (const Failure& damaged) {
        // After another boot nothing is left of it.
        if (leftover.same_boot) leftover.interface_problem = damaged.what();
    }
    if (interface && leftover.same_boot &&
        interface->network_namespace != this_network_namespace()) {
        return std::nullopt;
    }
    if (interface && leftover.same_boot) leftover.summary.interface = interface->interface;
    leftover.content = std::move(*content);
    for (const ledger::Process& process : living(leftover)) {
        leftover.summary.processes.push_back({process.role, process.pid});
    }
    for (const ledger::Path& path : leftover.content.paths) {
        if (ledger::is_same(path)) leftover.summary.paths.push_back(path.path);
    }
    return leftover;
}

std::vector<Leftover> find_all(const std::vector<std::string>& places) {
    const ledger::Machine machine = ledger::this_machine();
    std::vector<Leftover> result;
    for (const std::string& place : places) {
        std::error_code ignored;
        std::vector<fs::path> directories;
        for (const auto& entry : fs::directory_iterator{place, ignored}) {
            directories.push_back(entry.path());
        }
        std::sort(directories.begin(), directories.end());
        for (const fs::path& directory : directories) {
            if (auto leftover = leftover_at(directory, machine)) {
                result.push_back(std::move(*leftover));
            }
        }
    }
    return result;
}

std::vector<Held> hold(const std::vector<ledger::Process>& processes) {
    std::vector<Held> result;
    for (const ledger::Process& process : processes) {
        FileDescriptor pidfd{static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0U))};
        // Looked at once more now that the pid can't change its meaning behind our back.
        if (pidfd.open() && ledger::alive(process)) {
            result.push_back({process, std::move(pidfd)});
        }
    }
    return result;
}

void signal_all(const std::vector<Held>& held, int number) {
    for (const Held& one : held) {
        ::syscall(SYS_pidfd_send_signal, one.pidfd.value(), number, nullptr, 0U);
    }
}

// Forgets those that end until the deadline, and counts them.
std::size_t await(std::vector<Held>& held, Instant deadline) {
    const std::size_t before = held.size();
    while (!held.empty()) {
        std::vector<pollfd> waits;
        waits.reserve(held.size());
        for (const Held& one : held) waits.push_back({one.pidfd.value(), POLLIN, 0});
        const Duration left = std::max(deadline - monotonic_now(), Duration{0});
        const auto left_ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
        const int ready = ::poll(waits.data(), waits.size(), static_cast<int>(left_ms));
        if (ready < 0 && errno == EINTR) continue;
        std::size_t next = 0;
        std::erase_if(held, [&](const Held&) { return waits[next++].revents != 0; });
        if (ready <= 0) break;
    }
    return before - held.size();
}

void end_processes(const Leftover& leftover, Duration grace, CleanReport& report) {
    // Again, since a node that was just being killed may have made one more keeper.
    for (int round = 0; round < 5; ++round) {
        std::vector<Held> held = hold(living(leftover));
        if (held.empty()) return;
        signal_all(held, SIGTERM);
        report.processes_ended += await(held, monotonic_now() + grace);
        signal_all(held, SIGKILL);
        report.processes_ended += await(held, monotonic_now() + std::chrono::seconds{5});
        for (const Held& one : held) {
            report.problems.push_back("process " + std::to_string(one.process.pid) + " (" +
                                      one.process.role + ") of run " + leftover.summary.run +
                                      " did not end within 5 s of SIGKILL");
        }
        if (!held.empty()) return;
    }
}

// False when it could not be looked at: then it must be found again.
bool undo_changed_interface(const Leftover& leftover, CleanReport& report) {
    if (!leftover.interface_problem.empty()) {
        report.problems.push_back(leftover.interface_problem);
        return false;
    }
    if (leftover.summary.interface.empty()) return true;
    try {
        if (undo_interface(leftover.summary.directory)) ++report.interfaces_restored;
        return true;
    } catch (const std::exception& error) {
        report.problems.push_back("interface " + leftover.summary.interface + " of run " +
                                  leftover.summary.run + ": " + error.what());
        return false;
    }
}

}  // namespace

std::vector<RunLeftover> find_leftovers(const std::vector<std::string>& places) {
    std::vector<RunLeftover> result;
    for (Leftover& leftover : find_all(places)) result.push_back(std::move(leftover.summary));
    return result;
}

CleanReport clean(const std::vector<std::string>& places, Duration grace) {
    CleanReport report;
    for (Leftover& leftover : find_all(places)) {
        const std::size_t problems = report.problems.size();
        end_processes(leftover, grace, report);
        // What still lives must be found again.
        if (report.problems.size() > problems) continue;
        if (!undo_changed_interface(leftover, report)) continue;
        for (const ledger::Path& path : leftover.content.paths) {
            if (ledger::remove_if_same(path)) {
                ++report.paths_removed;
            } else if (ledger::is_same(path)) {
                report.problems.push_back("cannot remove " + path.path);
            }
        }
        std::error_code problem;
        fs::remove_all(leftover.summary.directory, problem);
        if (problem) {
            report.problems.push_back("cannot remove " + leftover.summary.directory + ": " +
                                      problem.message());
            continue;
        }
        ++report.paths_removed;
        report.cleaned.push_back(std::move(leftover.summary));
    }
    // A place goes with its last run; rmdir() removes only what is empty.
    for (const std::string& place : places) {
        if (!report.cleaned.empty()) ::rmdir(place.c_str());
    }
    return report;
}

std::vector<std::string> end_processes(const RunLedger& run, Duration grace) {
    CleanReport report;
    Leftover mine;
    mine.summary.run = run.run();
    mine.same_boot = true;
    if (auto content = ledger::read(run.directory())) mine.content = std::move(*content);
    end_processes(mine, grace, report);
    return report.problems;
}

}  // namespace pleat
