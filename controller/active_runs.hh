// ActiveRuns: the runs from their acceptance to their end.
//
// (1) Whatever goes wrong in what is done for a run makes that run fail, and no other.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/kept_run.hh"
#include "controller/network_check.hh"
#include "controller/node_registry.hh"
#include "controller/run_session.hh"

namespace pleat {

struct ActiveRun {
    ActiveRun(Store& store, RunPlan accepted, const SessionDeadlines& deadlines,
              SessionOutputs outputs, std::optional<Caller> from);

    // One that an earlier controller has left under way.
    ActiveRun(Store& store, RunPlan stored, const std::string& submitted_at,
              const SessionDeadlines& deadlines, SessionOutputs outputs);

    RunPlan plan;
    RunRates rates;
    KeptRun kept;
    RunSession session;
    std::optional<Caller> owner;   // when it goes, the run ends
    std::vector<Caller> watchers;  // the owner is one, too
};

class ActiveRuns {
  public:
    using Action = std::function<void(ActiveRun& run)>;

    // Nothing: there is none of that name.
    ActiveRun* find(const std::string& run);

    bool empty() const { return runs_.empty(); }

    void add(std::unique_ptr<ActiveRun> run);

    // Does it for the run, which there is. Fails when the run has failed in it, and says why.
    Result<void> with(const std::string& run, const Action& action);

    // Does it for each: one that fails in it keeps nothing from the others.
    void with_each(const Action& action);

    // Those whose sessions have finished are none of ours any more.
    std::vector<std::unique_ptr<ActiveRun>> take_finished();

    // How many hosts of all runs together are on a machine.
    std::uint32_t hosts_on(const std::string& machine) const;

    // What each can send between machines; valid until a run is added or taken.
    std::vector<RunRates*> rates();

    // When the first session wants a tick().
    std::optional<Instant> deadline() const;

  private:
    static Result<void> guarded(ActiveRun& run, const Action& action);

    std::map<std::string, std::unique_ptr<ActiveRun>> runs_;
};

}  // namespace pleat
