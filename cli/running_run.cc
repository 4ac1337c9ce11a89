#include "cli/running_run.hh"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "base/run_ledger.hh"
#include "cli/run_names.hh"

namespace pleat {
namespace {

tl::unexpected<LinkFailure> failure(ExitCode code, std::string message) {
    return tl::unexpected{LinkFailure{.code = code, .message = std::move(message)}};
}

// Directories of runs that have a controller of their own, oldest first.
std::vector<std::filesystem::path> private_runs() {
    std::vector<std::string> dead;
    for (const RunLeftover& leftover : find_leftovers()) dead.push_back(leftover.directory);
    std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> found;
    for (const std::string& place : ledger_places()) {
        std::error_code none;
        for (const auto& entry : std::filesystem::directory_iterator{place, none}) {
            if (!std::filesystem::exists(entry.path() / "control", none)) continue;
            if (std::ranges::find(dead, entry.path().string()) != dead.end()) continue;
            found.emplace_back(std::filesystem::last_write_time(entry.path() / "control", none),
                               entry.path());
        }
    }
    std::ranges::sort(found);
    std::vector<std::filesystem::path> result;
    result.reserve(found.size());
    for (auto& [time, path] : found) result.push_back(std::move(path));
    return result;
}

}  // namespace

tl::expected<RunningRun, LinkFailure> find_running_run(const std::string& controller,
                                                       const std::string& wanted) {
    if (controller_named(controller).empty()) {
        const std::vector<std::filesystem::path> directories = private_runs();
        std::vector<std::string> names;
        names.reserve(directories.size());
        for (const auto& directory : directories) names.push_back(directory.filename().string());
        const auto run = choose_run(names, wanted, " under way");
        if (!run) return tl::unexpected{run.error()};
        const auto directory = std::ranges::find(names, *run) - names.begin();
        return RunningRun{
            .place = {"ipc://" + directories[static_cast<std::size_t>(directory)].string() +
                          "/control",
                      {}},
            .run = *run};
    }
    Result<ControllerPlace> place = find_controller(controller);
    if (!place) return failure(ExitCode::controller_unreachable, place.error().message);
    ControllerLink link{*place};
    const auto runs = link.ask<Runs>(ListRuns{});
    if (!runs) return tl::unexpected{runs.error()};
    std::vector<std::string> names;
    for (const RunInfo& run : runs->runs) {
        if (run.run == wanted && run.state != "running") {
            const std::string state = run.state == "submitted" ? "not started" : run.state;
            return failure(ExitCode::failed,
                           fmt::format("run {} is not under way: it is {}", run.run, state));
        }
        if (run.state == "running") names.push_back(run.run);
    }
    auto run = choose_run(names, wanted, " under way");
    if (!run) return tl::unexpected{run.error()};
    return RunningRun{.place = *std::move(place), .run = *std::move(run)};
}

}  // namespace pleat
