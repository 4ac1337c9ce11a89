#include "node/left_run.hh"

#include <filesystem>
#include <optional>
#include <utility>

#include "base/interface_undo.hh"
#include "base/log.hh"

namespace pleat {

namespace {

constexpr Duration kGrace = std::chrono::seconds{2};

}  // namespace

std::string journal_in(const std::string& runtime_directory) {
    return runtime_directory + "/journal";
}

std::string ledger_name(const std::string& run, const std::string& node) {
    return run + "-" + node;
}

std::vector<LeftRun> adopt_left_runs(const std::string& state_directory, const std::string& node) {
    std::vector<LeftRun> result;
    const std::vector<std::string> places = ledger_places();
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator{state_directory + "/runs", none}) {
        std::string run = entry.path().filename().string();
        if (std::filesystem::exists(entry.path() / "ended")) continue;
        try {
            std::optional<RunLedger> ledger = RunLedger::adopt(ledger_name(run, node), places);
            if (!ledger) continue;
            std::optional<JournaledRun> journal = read_journal(journal_in(ledger->directory()));
            if (journal) {
                result.push_back({std::move(run), *std::move(ledger), *std::move(journal)});
            } else {
                log::warn("run={} had not begun when the node daemon ended", run);
                remove_left_run(*std::move(ledger));
            }
        } catch (const std::exception& problem) {
            log::warn("what is left of run={} stays: {}", run, problem.what());
        }
    }
    return result;
}

void remove_left_run(RunLedger ledger) {
    try {
        for (const std::string& problem : end_processes(ledger, kGrace)) {
            log::warn("{}", problem);
        }
        if (const auto interface = undo_interface(ledger.directory())) {
            log::info("interface is as it was before run={} interface={}", ledger.run(),
                      *interface);
        }
        ledger.dissolve();
    } catch (const std::exception& problem) {
        log::warn("{}", problem.what());
    }
}

}  // namespace pleat
