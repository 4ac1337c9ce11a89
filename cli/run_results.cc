#include "cli/run_results.hh"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "cli/format.hh"

namespace pleat {
namespace {

// More rows than this help nobody; those that failed are always shown.
constexpr std::size_t kMostHostsShown = 40;

bool went_wrong(const HostResult& host) {
    return !host.problem.empty() || (!host.ended_by_us && host.exit_code.value_or(0) != 0);
}

std::string exit_text(const HostResult& host) {
    if (!host.problem.empty()) return host.problem;
    if (!host.exit_code) return "-";
    return host.ended_by_us ? fmt::format("{} (ended)", *host.exit_code)
                            : std::to_string(*host.exit_code);
}

}  // namespace

RunResults unchecked_results(RunFinished finished, std::string directory, Duration took) {
    return {.run = finished.run,
            .directory = std::move(directory),
            .took = took,
            .finished = std::move(finished),
            .verdict = "unchecked",
            .reasons = {"this version does not judge fidelity yet"}};
}

ExitCode exit_code_of(const RunResults& results, bool require_fidelity) {
    const RunFinished& finished = results.finished;
    if (finished.interrupted) return ExitCode::interrupted;
    if (finished.exit_code != 0) return static_cast<ExitCode>(finished.exit_code);
    if (finished.failed) return ExitCode::failed;
    if (require_fidelity && results.verdict != "ok") return ExitCode::fidelity;
    return ExitCode::ok;
}

std::string state_of(const RunFinished& finished) {
    if (finished.interrupted) return "interrupted";
    return finished.failed ? "failed" : "done";
}

std::string summary(const RunResults& results, const Scenario& scenario) {
    const RunFinished& finished = results.finished;
    std::string_view how = "done in";
    if (finished.failed) how = "failed after";
    if (finished.interrupted) how = "interrupted after";
    std::string text = fmt::format("run {}  {} {}   fidelity: {}\n", results.run, how,
                                   spoken(results.took), results.verdict);

    std::vector<std::vector<std::string>> rows{{"HOST", "ADDRESS", "STARTED", "EXIT", "LOG"}};
    std::size_t hidden = 0;
    for (const HostResult& host : finished.hosts) {
        if (rows.size() > kMostHostsShown && !went_wrong(host)) {
            ++hidden;
            continue;
        }
        const std::size_t index = host.host.value;
        const auto hosts = scenario.topology.hosts();
        rows.push_back(
            {index < hosts.size() ? hosts[index].name : fmt::format("#{}", index), host.address,
             host.started
                 ? fmt::format(
                       "{:.3f}s",
                       std::chrono::duration<double>{host.started_at.time_since_epoch()}.count())
                 : "-",
             exit_text(host), host.log});
    }
    if (rows.size() > 1) text += table(rows);
    if (hidden > 0) text += fmt::format("and {} hosts more that ended well\n", hidden);
    text += fmt::format("results: {}\n", results.directory);
    return text;
}

}  // namespace pleat
