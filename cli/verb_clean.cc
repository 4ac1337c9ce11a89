// pleat clean: removes what dead runs left behind, and nothing else.
#include <utility>

#include <fmt/format.h>

#include "base/run_ledger.hh"
#include "cli/commands.hh"
#include "cli/json.hh"

namespace pleat {
namespace {

std::string described(const CleanReport& report, bool dry_run) {
    std::string text;
    for (const RunLeftover& leftover : report.cleaned) {
        text += fmt::format("{} run {}: {}\n", dry_run ? "would remove" : "removed", leftover.run,
                            leftover.directory);
        for (const LedgerProcess& process : leftover.processes) {
            text += fmt::format("  process {} ({})\n", process.pid, process.role);
        }
        for (const std::string& path : leftover.paths) text += fmt::format("  {}\n", path);
    }
    if (report.cleaned.empty() && report.problems.empty()) text = "nothing to clean\n";
    return text;
}

}  // namespace

ExitCode execute(const CleanArguments& arguments, Output& output) {
    CleanReport report;
    if (arguments.dry_run) {
        report.cleaned = find_leftovers();
    } else {
        report = clean();
    }
    output.data(arguments.json ? clean_document(report, arguments.dry_run)
                               : described(report, arguments.dry_run));
    for (const std::string& problem : report.problems) output.error(problem);
    return report.problems.empty() ? ExitCode::ok : ExitCode::failed;
}

}  // namespace pleat
