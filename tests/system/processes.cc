#include "tests/system/processes.hh"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <sstream>

#include "base/files.hh"

namespace pleat::system_test {

namespace fs = std::filesystem;

namespace {

struct Line {
    pid_t pid = 0;
    pid_t parent = 0;
    char state = '?';
    std::string name;
};

// Of /proc/PID/stat: "PID (NAME) STATE PARENT …"; the name may hold anything.
Line parse_stat(pid_t pid, const std::string& stat) {
    Line line{.pid = pid, .parent = 0, .state = '?', .name = {}};
    const std::size_t open = stat.find('(');
    const std::size_t close = stat.rfind(')');
    if (open == std::string::npos || close == std::string::npos) return line;
    line.name = stat.substr(open + 1, close - open - 1);
    std::istringstream rest{stat.substr(close + 1)};
    rest >> line.state >> line.parent;
    return line;
}

std::vector<Line> all_processes() {
    std::vector<Line> result;
    for (const auto& entry : fs::directory_iterator{"/proc"}) {
        const std::string name = entry.path().filename().string();
        pid_t pid = 0;
        const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (status != std::errc{} || end != name.data() + name.size()) continue;
        if (const auto stat = read_file("/proc/" + name + "/stat")) {
            result.push_back(parse_stat(pid, *stat));
        }
    }
    return result;
}

Process described(const Line& line) {
    const std::string directory = "/proc/" + std::to_string(line.pid);
    std::error_code hidden;
    const fs::path program = fs::read_symlink(directory + "/exe", hidden);
    std::string command = read_file(directory + "/cmdline").value_or("");
    std::replace(command.begin(), command.end(), '\0', ' ');
    return {.pid = line.pid,
            .parent = line.parent,
            .program = hidden ? line.name : program.filename().string(),
            .command = command};
}

}  // namespace

std::vector<Process> processes_beneath(pid_t ancestor) {
    const std::vector<Line> lines = all_processes();
    std::set<pid_t> family{ancestor};
    for (std::size_t before = 0; before != family.size();) {
        before = family.size();
        for (const Line& line : lines) {
            if (family.contains(line.parent)) family.insert(line.pid);
        }
    }
    std::vector<Process> result;
    for (const Line& line : lines) {
        const bool lives = line.state != 'Z' && line.state != 'X';
        if (lives && line.pid != ancestor && family.contains(line.pid)) {
            result.push_back(described(line));
        }
    }
    std::sort(result.begin(), result.end(),
              [](const Process& a, const Process& b) { return a.pid < b.pid; });
    return result;
}

bool is_pleat(const Process& process) {
    return process.program == "pleat" || process.program.starts_with("pleat-");
}

}  // namespace pleat::system_test
