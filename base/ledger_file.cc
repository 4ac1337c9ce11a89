#include "base/ledger_file.hh"

#include <array>
#include <charconv>

#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/files.hh"
#include "base/process.hh"

namespace pleat::ledger {

namespace {

constexpr std::string_view kMagic = "pleat-ledger-1";
constexpr std::string_view kDraft = ".making-";

// Tabs and newlines divide fields and lines.
std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '\t') {
            result += "%09";
        } else if (c == '\n') {
            result += "%0A";
        } else if (c == '%') {
            result += "%25";
        } else {
            result += c;
        }
    }
    return result;
}

std::string unescaped(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const std::string_view code = text.substr(i, 3);
        const bool known = code == "%09" || code == "%0A" || code == "%25";
        if (!known) {
            result += text[i];
            continue;
        }
        result += code == "%09" ? '\t' : code == "%0A" ? '\n' : '%';
        i += 2;
    }
    return result;
}

std::vector<std::string> split(std::string_view line, char separator) {
    std::vector<std::string> fields;
    while (true) {
        const std::size_t end = line.find(separator);
        fields.push_back(unescaped(line.substr(0, end)));
        if (end == std::string_view::npos) return fields;
        line.remove_prefix(end + 1);
    }
}

template <typename Number>
std::optional<Number> number(std::string_view text) {
    Number value = 0;
    const char* const last = text.data() + text.size();
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): its end is `last`
    const auto [end, status] = std::from_chars(text.data(), last, value);
    if (status != std::errc{} || end != last) return std::nullopt;
    return value;
}

std::optional<Process> process(std::string_view pid, std::string_view ticks, std::string role) {
    const auto id = number<pid_t>(pid);
    const auto start = number<std::uint64_t>(ticks);
    // 0 and negative pids mean groups of processes to kill(2).
    if (!id || !start || *id <= 1) return std::nullopt;
    return Process{std::move(role), *id, *start};
}

void add_line(Content& content, const std::vector<std::string>& fields) {
    if (fields.size() != 4) return;
    if (fields[0] == "process") {
        if (auto p = process(fields[1], fields[2], fields[3])) content.processes.push_back(*p);
    } else if (fields[0] == "path") {
        const auto device = number<std::uint64_t>(fields[1]);
        const auto inode = number<std::uint64_t>(fields[2]);
        if (device && inode && fields[3].starts_with('/')) {
            content.paths.push_back({fields[3], *device, *inode});
        }
    }
}

}  // namespace

Machine this_machine() {
    Machine machine;
    machine.boot = read_file("/proc/sys/kernel/random/boot_id").value_or("unknown");
    while (machine.boot.ends_with('\n')) machine.boot.pop_back();
    std::array<char, 64> link{};
    const ssize_t n = ::readlink("/proc/self/ns/pid", link.data(), link.size());
    if (n > 0) machine.pid_namespace.assign(link.data(), static_cast<std::size_t>(n));
    return machine;
}

std::string header_line(const Machine& machine, std::string_view run, std::string_view mark) {
    return std::string{kMagic} + '\t' + escaped(run) + '\t' + escaped(mark) + '\t' +
           escaped(machine.boot) + '\t' + escaped(machine.pid_namespace) + '\n';
}

std::string process_line(std::string_view role, pid_t pid, std::uint64_t start_ticks) {
    return "process\t" + std::to_string(pid) + '\t' + std::to_string(start_ticks) + '\t' +
           escaped(role) + '\n';
}

std::string path_line(std::string_view path, std::uint64_t device, std::uint64_t inode) {
    return "path\t" + std::to_string(device) + '\t' + std::to_string(inode) + '\t' + escaped(path) +
           '\n';
}

void append(int file, const std::string& directory, const std::string& line) {
    const ssize_t n = ::write(file, line.data(), line.size());
    if (n != static_cast<ssize_t>(line.size())) {
        const int error = n < 0 ? errno : ENOSPC;
        throw std::system_error{error, std::system_category(),
                                "cannot write the run's ledger in " + directory};
    }
}

std::optional<Content> read(const std::string& directory) {
    const auto text = read_file(directory + "/" + kFileName, 64U << 20U);
    if (!text) return std::nullopt;
    std::string_view rest = *text;
    std::optional<Content> content;
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        if (end == std::string_view::npos) break;  // cut short
        const std::vector<std::string> fields = split(rest.substr(0, end), '\t');
        rest.remove_prefix(end + 1);
        if (content) {
            add_line(*content, fields);
            continue;
        }
        if (fields.size() != 5 || fields[0] != kMagic || fields[2].empty()) return std::nullopt;
        content.emplace();
        content->run = fields[1];
        content->mark = fields[2];
        content->machine = {fields[3], fields[4]};
    }
    return content;
}

std::string draft_name(pid_t maker, std::uint64_t start_ticks, std::string_view run) {
    return std::string{kDraft} + std::to_string(maker) + "-" + std::to_string(start_ticks) + "-" +
           std::string{run};
}

std::optional<Process> maker_of_draft(std::string_view name) {
    if (!name.starts_with(kDraft)) return std::nullopt;
    name.remove_prefix(kDraft.size());
    const std::size_t first = name.find('-');
    if (first == std::string_view::npos) return std::nullopt;
    const std::size_t second = name.find('-', first + 1);
    if (second == std::string_view::npos) return std::nullopt;
    return process(name.substr(0, first), name.substr(first + 1, second - first - 1), "maker");
}

bool alive(const Process& process) {
    return process_start_ticks(process.pid) == process.start_ticks;
}

bool is_same(const Path& path) {
    struct stat facts{};
    return ::lstat(path.path.c_str(), &facts) == 0 && facts.st_dev == path.device &&
           facts.st_ino == path.inode;
}

bool remove_if_same(const Path& path) {
    if (!is_same(path)) return false;
    // A directory only when it is empty: what is in it is not ours to know.
    return ::unlink(path.path.c_str()) == 0 || ::rmdir(path.path.c_str()) == 0;
}

}  // namespace pleat::ledger
