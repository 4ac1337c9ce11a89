#include "controller/active_runs.hh"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/log.hh"
#include "controller/attempted.hh"

namespace pleat {

namespace {

RunRates rates_of(const RunPlan& plan) {
    std::vector<std::string> machine_of_host(plan.scenario.topology.hosts().size());
    for (const MachinePart& part : plan.parts) {
        for (const HostId host : part.hosts) machine_of_host.at(host.value) = part.machine;
    }
    return {plan.options.run, plan.scenario, plan.epochs, machine_of_host};
}

}  // namespace

ActiveRun::ActiveRun(Store& store, RunPlan accepted, const SessionDeadlines& deadlines,
                     SessionOutputs outputs, std::optional<Caller> from)
    : plan{std::move(accepted)},
      rates{rates_of(plan)},
      kept{store, plan, utc_now},
      session{plan, deadlines, std::move(outputs), kept, monotonic_now()},
      owner{std::move(from)} {}

ActiveRun::ActiveRun(Store& store, RunPlan stored, const std::string& submitted_at,
                     const SessionDeadlines& deadlines, SessionOutputs outputs)
    : plan{std::move(stored)},
      rates{rates_of(plan)},
      kept{store, plan, utc_now, submitted_at},
      session{plan, deadlines, std::move(outputs), kept, monotonic_now()} {}

ActiveRun* ActiveRuns::find(const std::string& run) {
    const auto found = runs_.find(run);
    return found == runs_.end() ? nullptr : found->second.get();
}

void ActiveRuns::add(std::unique_ptr<ActiveRun> run) {
    const std::string name = run->plan.options.run;
    const bool added = runs_.emplace(name, std::move(run)).second;
    PLEAT_ASSERT(added);
}

Result<void> ActiveRuns::with(const std::string& run, const Action& action) {
    return guarded(*runs_.at(run), action);
}

void ActiveRuns::with_each(const Action& action) {
    for (const auto& [name, run] : runs_) static_cast<void>(guarded(*run, action));
}

Result<void> ActiveRuns::guarded(ActiveRun& run, const Action& action) {
    Result<void> done = attempted([&] { action(run); });
    if (done) return done;
    const std::string& name = run.plan.options.run;
    log::error("run={}: {}", name, done.error().message);
    const Result<void> failed =
        attempted([&] { run.session.fail(done.error().message, monotonic_now()); });
    // Its deadlines will end it.
    if (!failed) log::error("run={}, as it was to end: {}", name, failed.error().message);
    return done;
}

std::vector<std::unique_ptr<ActiveRun>> ActiveRuns::take_finished() {
    std::vector<std::unique_ptr<ActiveRun>> finished;
    for (auto run = runs_.begin(); run != runs_.end();) {
        if (run->second->session.finished()) {
            finished.push_back(std::move(run->second));
            run = runs_.erase(run);
        } else {
            ++run;
        }
    }
    return finished;
}

std::uint32_t ActiveRuns::hosts_on(const std::string& machine) const {
    std::size_t hosts = 0;
    for (const auto& [name, run] : runs_) {
        for (const MachinePart& part : run->plan.parts) {
            if (part.machine == machine) hosts += part.hosts.size();
        }
    }
    return static_cast<std::uint32_t>(hosts);
}

std::vector<RunRates*> ActiveRuns::rates() {
    std::vector<RunRates*> all;
    all.reserve(runs_.size());
    for (const auto& [name, run] : runs_) all.push_back(&run->rates);
    return all;
}

std::optional<Instant> ActiveRuns::deadline() const {
    std::optional<Instant> first;
    for (const auto& [name, run] : runs_) {
        const std::optional<Instant> its = run->session.deadline();
        if (its) first = std::min(first.value_or(*its), *its);
    }
    return first;
}

}  // namespace pleat
