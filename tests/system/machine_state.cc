#include "tests/system/machine_state.hh"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <unistd.h>

#include "tests/system/processes.hh"

namespace pleat::system_test {

namespace fs = std::filesystem;

namespace {

using Things = std::set<std::string>;

void add_lines(Things& things, const std::string& kind, const std::string& file) {
    std::ifstream stream{file};
    for (std::string line; std::getline(stream, line);) {
        things.insert(std::string{kind}.append(" ").append(line));
    }
}

// Processes beneath the test, and the namespaces they hold.
void add_processes(Things& things) {
    for (const Process& process : processes_beneath(::getpid())) {
        const std::string pid = std::to_string(process.pid);
        things.insert("process " + pid + " " + process.program + ": " + process.command);
        for (const char* kind : {"net", "mnt", "pid", "user"}) {
            std::error_code gone;
            const auto name = fs::read_symlink("/proc/" + pid + "/ns/" + kind, gone);
            if (!gone) things.insert("namespace " + name.string());
        }
    }
}

// The interfaces of this network namespace, and its routes.
void add_network(Things& things) {
    std::ifstream stream{"/proc/net/dev"};
    for (std::string line; std::getline(stream, line);) {
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos) continue;
        const std::size_t first = line.find_first_not_of(' ');
        things.insert("interface " + line.substr(first, colon - first));
    }
    add_lines(things, "route", "/proc/net/route");
}

// All that is in `directory`; `except` and what is in it is left out.
void add_files(Things& things, const fs::path& directory, const std::string& except = {}) {
    std::error_code gone;
    for (auto it = fs::recursive_directory_iterator{directory, gone};
         !gone && it != fs::recursive_directory_iterator{}; it.increment(gone)) {
        if (!except.empty() && it->path() == except) {
            it.disable_recursion_pending();
            continue;
        }
        things.insert("file " + it->path().string());
    }
}

}  // namespace

MachineState MachineState::now(const std::string& directory) {
    MachineState state;
    add_processes(state.things_);
    add_network(state.things_);
    add_lines(state.things_, "mount", "/proc/self/mountinfo");
    // As root /run is the test's own (see workplace.cc).
    add_files(state.things_, ::geteuid() == 0 ? "/run" : "/run/pleat");
    for (const char* place : {"/tmp", "/dev/shm", "/var/run/netns"}) {
        std::error_code gone;
        for (const auto& entry : fs::directory_iterator{place, gone}) {
            // As pleat calls its directory there; others are none of its business.
            const std::string name = entry.path().filename().string();
            const std::string ours = "pleat-" + std::to_string(::geteuid());
            if (name != ours && !name.starts_with(ours + ".")) continue;
            state.things_.insert("file " + entry.path().string());
            add_files(state.things_, entry.path());
        }
    }
    add_files(state.things_, directory, directory + "/pleat-runs");
    return state;
}

std::vector<std::string> MachineState::changes_until(const MachineState& later) const {
    std::vector<std::string> lines;
    for (const std::string& thing : later.things_) {
        if (!things_.contains(thing)) lines.push_back("+ " + thing);
    }
    for (const std::string& thing : things_) {
        if (!later.things_.contains(thing)) lines.push_back("- " + thing);
    }
    return lines;
}

std::string left_behind(const MachineState& before, const std::string& directory,
                        Duration patience) {
    std::vector<std::string> lines;
    static_cast<void>(eventually(patience, [&] {
        lines = before.changes_until(MachineState::now(directory));
        return lines.empty();
    }));
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

}  // namespace pleat::system_test
