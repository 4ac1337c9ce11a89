#include "cli/run_place.hh"

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hh"

namespace pleat {
namespace {

namespace fs = std::filesystem;

// Short names collide once a directory holds many runs; then longer ones are tried.
constexpr int kShortAttempts = 64;
constexpr int kMostAttempts = 256;

std::string run_name(int attempt, std::uint32_t random) {
    if (attempt < kShortAttempts) return fmt::format("r-{:04x}", random & 0xffffU);
    return fmt::format("r-{:08x}", random);
}

// Does any place for runtime directories have a run of this name?
bool known_elsewhere(const std::string& run) {
    for (const std::string& place : ledger_places()) {
        std::error_code ignored;
        if (fs::exists(fs::path{place} / run, ignored)) return true;
    }
    return false;
}

void make_directory(const fs::path& path) {
    check("cannot create " + path.string(), ::mkdir(path.c_str(), 0777));
}

}  // namespace

RunPlace make_run_place(const std::string& parent, const std::function<std::uint32_t()>& random) {
    std::error_code problem;
    fs::create_directories(parent, problem);
    if (problem) throw std::system_error{problem, "cannot create " + parent};

    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
        const std::string run = run_name(attempt, random());
        if (known_elsewhere(run)) continue;
        const fs::path directory = fs::path{parent} / run;
        // Whoever makes the directory has the name.
        if (::mkdir(directory.c_str(), 0777) != 0) {
            if (errno == EEXIST) continue;
            check("cannot create " + directory.string(), -1);
        }
        try {
            make_directory(directory / "logs");
            return {.run = run,
                    .directory = directory.string(),
                    .absolute_directory = fs::absolute(directory).lexically_normal().string(),
                    .ledger = RunLedger::create(run)};
        } catch (...) {
            fs::remove_all(directory, problem);
            throw;
        }
    }
    throw Failure{"no free name for a run in " + parent};
}

}  // namespace pleat
