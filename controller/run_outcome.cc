// What a run comes to.
#include "controller/run_outcome.hh"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/joined.hh"
#include "controller/session_outputs.hh"

namespace pleat {

void RunOutcome::resume(const RunFinished& so_far) {
    results_ = so_far;
    results_.machines.clear();
}

void RunOutcome::fail(const std::string& problem) {
    results_.failed = true;
    results_.problems.push_back(problem);
}

void RunOutcome::fail(const std::string& problem, int exit_code) {
    fail(problem);
    results_.exit_code = exit_code;
}

void RunOutcome::prepared(const std::string& data_plane) {
    results_.data_plane = data_plane;
    keep(archive_.prepared(data_plane));
}

void RunOutcome::under_way(std::vector<MachineResult> machines) {
    RunFinished so_far = results_;
    so_far.machines = std::move(machines);
    keep(archive_.under_way(so_far));
}

void RunOutcome::add(const RunEnded& ended) {
    results_.failed = results_.failed || ended.failed;
    results_.interrupted = results_.interrupted || ended.interrupted;
    results_.hosts.insert(results_.hosts.end(), ended.hosts.begin(), ended.hosts.end());
}

void RunOutcome::add(const std::string& machine, const LogRecord& record) {
    collector_.add(record);
    if (!archive_broken_) keep(archive_.add(machine, record));
}

void RunOutcome::add_output(const OutputChunk& chunk) {
    if (!archive_broken_) keep(archive_.add_output(chunk));
}

std::string RunOutcome::collected() const {
    return fmt::format("{} logs, {} samples/flow", results_.hosts.size(),
                       collector_.most_samples_of_a_flow());
}

void RunOutcome::finish(const RunPlan& plan, std::vector<MachineResult> machines) {
    for (const ChangeResult& change : results_.changes) {
        if (change.missing.empty()) continue;
        fail(fmt::format("the change by hand at {} ({}) was not carried out by {}",
                         in_seconds(change.at.time_since_epoch()), joined(change.lines, "; "),
                         joined(change.missing, ", ")));
    }
    std::vector<std::vector<std::string>> events;
    events.reserve(plan.epochs.epochs.size());
    for (const Epoch& epoch : plan.epochs.epochs) events.push_back(epoch.events);
    collector_.give(results_, events);
    std::ranges::sort(results_.hosts, {}, &HostResult::host);
    for (const MachineResult& machine : machines) {
        results_.control.messages_sent += machine.control.messages_sent;
        results_.control.bytes_sent += machine.control.bytes_sent;
    }
    results_.machines = std::move(machines);
    keep(archive_.finish(results_));
}

void RunOutcome::keep(const Result<void>& outcome) {
    if (outcome || archive_broken_) return;
    archive_broken_ = true;
    fail(outcome.error().message);
}

}  // namespace pleat
