// The JSON documents of the manual, as text. Each has "v": 1; `paths` alone is an array.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/capabilities.hh"
#include "base/run_ledger.hh"
#include "cli/exit_code.hh"
#include "cli/placed_paths.hh"
#include "cli/run_results.hh"
#include "model/path.hh"

namespace pleat {

// Above this many flows a document holds them only when asked.
inline constexpr std::size_t kMostFlowsUnasked = 1000;

// All documents end with a newline, and are one line unless `indented`.
std::string run_document(const RunResults& results, const Scenario& scenario, bool flows_asked,
                         bool indented);

// One row of `paths`, without a newline.
std::string path_row(const Topology& topology, HostId source, HostId destination, EpochId epoch,
                     const Path& path, const std::optional<PlacedPath>& placed = {});

struct PathStatistics {
    std::size_t epochs = 0;
    std::size_t trees = 0;
    double seconds = 0;
    std::size_t bytes = 0;
};

std::string path_statistics_document(const PathStatistics& statistics);

// A problem of a topology file.
struct ProblemRow {
    std::string file;
    int line = 0;
    int column = 0;
    std::string severity;
    std::string code;
    std::string message;
    std::string suggest;  // empty: null
};

std::string problems_document(std::span<const ProblemRow> problems);

std::string doctor_document(std::span<const Probe> probes, std::string_view data_plane,
                            std::string_view reason);
std::string clean_document(const CleanReport& report, bool dry_run);
// When a change by hand took effect.
std::string change_document(const std::string& run, const ChangeResult& change);
std::string runs_document(const Runs& runs);

// What `submit` and `up` came to. `state`: "submitted", "starting", "running", or how it ended.
std::string submission_document(const Submitted& submitted, const std::string& run,
                                const std::string& name, const std::string& state);
// What `wait` came to.
std::string end_document(const std::string& run, const std::string& state, ExitCode code,
                         const std::vector<std::string>& problems);
std::string machines_document(const Machines& machines);

// The same, and the network between them.
std::string machines_document(const Machines& machines, const Ways& ways);
std::string version_document(std::string_view version);

}  // namespace pleat
