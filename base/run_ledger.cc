#include "base/run_ledger.hh"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.hh"
#include "base/ledger_file.hh"
#include "base/process.hh"

namespace pleat {

namespace fs = std::filesystem;

namespace {

// A Unix socket's path holds 107 bytes; "/RUN/hosts/12345.sock" comes behind a place.
constexpr std::size_t kLongestPlace = 60;

std::string variable(const char* name) {
    const char* const value = ::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return value == nullptr ? "" : value;
}

// A directory of this user's that no other can write to.
bool is_private(const std::string& path) {
    struct stat facts{};
    return ::lstat(path.c_str(), &facts) == 0 && S_ISDIR(facts.st_mode) &&
           facts.st_uid == ::geteuid() && (facts.st_mode & 0022U) == 0;
}

std::string temporary_place(const std::string& parent) {
    return parent + "/pleat-" + std::to_string(::geteuid());
}

// Where create() tries, best first; the parent of each exists.
std::vector<std::string> preferred_places() {
    std::vector<std::string> places;
    if (::geteuid() == 0) places.emplace_back("/run/pleat");
    const std::string xdg = variable("XDG_RUNTIME_DIR");
    if (xdg.starts_with('/')) places.push_back(xdg + "/pleat");
    const std::string tmp = variable("TMPDIR");
    if (tmp.starts_with('/')) places.push_back(temporary_place(tmp));
    places.push_back(temporary_place("/tmp"));
    std::erase_if(places, [](const std::string& p) { return p.size() > kLongestPlace; });
    return places;
}

// Makes `place` if it can; false when it is not, or not safely, ours.
bool open_place(const std::string& place) {
    return (::mkdir(place.c_str(), 0700) == 0 || errno == EEXIST) && is_private(place);
}

std::string random_mark() {
    std::random_device entropy;
    std::array<char, 17> text{};
    static_cast<void>(std::snprintf(text.data(), text.size(), "%08x%08x", entropy(), entropy()));
    return text.data();
}

void check_name(const std::string& run) {
    const bool good = !run.empty() && run.size() <= 40 && run.front() != '.' &&
                      run.find_first_of("/\t\n") == std::string::npos;
    if (!good) throw Failure{"'" + run + "' cannot be the name of a run"};
}

std::string owner_line() {
    return ledger::process_line("owner", ::getpid(), process_start_ticks(::getpid()).value_or(0));
}

// In one step: the ledger has the owner before or this one, and all else, at any moment.
void replace_ledger(const std::string& directory, const std::string& content) {
    const std::string path = directory + "/" + ledger::kFileName;
    const std::string draft = path + ".new";
    write_new_file(draft, content);
    check("cannot write " + path, ::rename(draft.c_str(), path.c_str()));
}

void change_owner(const std::string& directory, const ledger::Content& known) {
    std::string content = ledger::header_line(known.machine, known.run, known.mark) + owner_line();
    for (std::size_t i = 1; i < known.processes.size(); ++i) {
        const ledger::Process& process = known.processes[i];
        content += ledger::process_line(process.role, process.pid, process.start_ticks);
    }
    for (const ledger::Path& path : known.paths) {
        content += ledger::path_line(path.path, path.device, path.inode);
    }
    replace_ledger(directory, content);
}

// Begins a ledger in `directory`, owned by this process.
std::string begin(const std::string& directory, const std::string& run) {
    std::string mark = run + ":" + random_mark();
    replace_ledger(directory,
                   ledger::header_line(ledger::this_machine(), run, mark) + owner_line());
    return mark;
}

FileDescriptor open_to_append(const std::string& directory) {
    const std::string path = directory + "/" + ledger::kFileName;
    FileDescriptor file{::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)};
    check("cannot open " + path, file.value());
    return file;
}

std::string run_directory(const std::string& place, const std::string& run) {
    return place + "/" + run;
}

// Makes PLACE/RUN with its ledger in one step. False: try the next place.
bool make_directory(const std::string& place, const std::string& run) {
    const std::string directory = run_directory(place, run);
    // Anew when another run, ending, has removed the empty place meanwhile.
    for (int attempt = 0; attempt < 10; ++attempt) {
        if (!open_place(place)) return false;
        const std::string draft =
            place + "/" +
            ledger::draft_name(::getpid(), process_start_ticks(::getpid()).value_or(0), run);
        if (::mkdir(draft.c_str(), 0700) != 0) {
            if (errno == ENOENT) continue;
            return false;
        }
        try {
            begin(draft, run);
        } catch (...) {
            std::error_code ignored;
            fs::remove_all(draft, ignored);
            throw;
        }
        if (::renameat2(AT_FDCWD, draft.c_str(), AT_FDCWD, directory.c_str(), RENAME_NOREPLACE) ==
            0) {
            return true;
        }
        const int error = errno;
        std::error_code ignored;
        fs::remove_all(draft, ignored);
        if (error == EEXIST) {
            throw Failure{fmt::format("a run '{}' exists already ({})", run, directory)};
        }
        throw std::system_error{error, std::system_category(), "cannot create " + directory};
    }
    return false;
}

}  // namespace

RunLedger::RunLedger(std::string run, std::string directory, std::string mark, FileDescriptor file)
    : run_{std::move(run)},
      directory_{std::move(directory)},
      mark_{std::move(mark)},
      file_{std::move(file)} {}

RunLedger RunLedger::create(const std::string& run) {
    check_name(run);
    for (const std::string& place : preferred_places()) {
        if (make_directory(place, run)) {
            return open(run_directory(place, run), run);
        }
    }
    // Somebody else has taken our name in /tmp.
    std::string fresh = temporary_place("/tmp") + ".XXXXXX";
    if (::mkdtemp(fresh.data()) == nullptr || !make_directory(fresh, run)) {
        throw Failure{
            "no place for the run's sockets: tried /run/pleat, $XDG_RUNTIME_DIR/pleat, "
            "$TMPDIR and " +
            fresh};
    }
    return open(run_directory(fresh, run), run);
}

RunLedger RunLedger::open(const std::string& directory, const std::string& run) {
    const auto content = ledger::read(directory);
    std::string mark = content ? content->mark : begin(directory, run);
    return {run, directory, std::move(mark), open_to_append(directory)};
}

std::optional<RunLedger> RunLedger::adopt(const std::string& run,
                                          const std::vector<std::string>& places) {
    check_name(run);
    for (const std::string& place : places) {
        const std::string directory = run_directory(place, run);
        const auto content = ledger::read(directory);
        if (!content || content->run != run || content->processes.empty()) continue;
        if (content->machine != ledger::this_machine()) continue;
        if (ledger::alive(content->processes.front())) continue;
        change_owner(directory, *content);
        return open(directory, run);
    }
    return {};
}

std::string RunLedger::environment_mark() const {
    return ledger::kMarkVariable + mark_;
}

void RunLedger::record_process(std::string_view role, pid_t pid) {
    ledger::append(file_.value(), directory_,
                   ledger::process_line(role, pid, process_start_ticks(pid).value_or(0)));
}

void RunLedger::record_path(const std::string& path) {
    struct stat facts{};
    check("cannot record " + path, ::lstat(path.c_str(), &facts));
    ledger::append(file_.value(), directory_,
                   ledger::path_line(fs::absolute(path).string(), facts.st_dev, facts.st_ino));
}

void RunLedger::dissolve() {
    if (const auto content = ledger::read(directory_)) {
        for (const ledger::Path& path : content->paths) ledger::remove_if_same(path);
    }
    file_.close();
    std::error_code problem;
    fs::remove_all(directory_, problem);
    if (problem) throw Failure{"cannot remove " + directory_ + ": " + problem.message()};
    // The place itself goes with its last run.
    const std::string place = fs::path{directory_}.parent_path().string();
    for (const std::string& known : ledger_places()) {
        if (known == place) ::rmdir(place.c_str());
    }
}

std::vector<std::string> ledger_places() {
    std::vector<std::string> places = preferred_places();
    places.push_back("/run/user/" + std::to_string(::geteuid()) + "/pleat");
    // Those with a random name, made when ours was taken.
    const std::string prefix = temporary_place("/tmp") + ".";
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator{"/tmp", ignored}) {
        if (entry.path().string().starts_with(prefix)) places.push_back(entry.path().string());
    }
    std::vector<std::string> result;
    for (std::string& place : places) {
        const bool twice = std::find(result.begin(), result.end(), place) != result.end();
        if (!twice) result.push_back(std::move(place));
    }
    std::erase_if(result, [](const std::string& place) {
        return ::access(place.c_str(), F_OK) == 0 && !is_private(place);
    });
    return result;
}

}  // namespace pleat
