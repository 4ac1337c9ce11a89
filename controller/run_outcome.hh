// RunOutcome: what a run comes to, gathered while it goes on, told and kept at its end.
//
// (1) What has gone wrong once stays in the results, in the order in which it did.
// (2) Failures of the archive never end a run under way; the first one makes it fail at its end,
//     and nothing more of the log is kept then.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/planner.hh"
#include "controller/result_collector.hh"
#include "controller/run_archive.hh"

namespace pleat {

class RunOutcome {
  public:
    // `archive` must outlive it.
    RunOutcome(const std::string& run, RunArchive& archive) : archive_{archive} {
        results_.run = run;
    }

    // Instead of a fresh start: this much was known.
    void resume(const RunFinished& so_far);

    const RunFinished& results() const { return results_; }

    // ---- what goes wrong

    void fail(const std::string& problem);
    void fail(const std::string& problem, int exit_code);

    void interrupt() { results_.interrupted = true; }

    // Of a run that may be well for all that.
    void note(const std::string& problem) { results_.problems.push_back(problem); }

    // ---- what is known on the way, and kept for a controller that is started anew

    void prepared(const std::string& data_plane);

    void changed(std::vector<ChangeResult> changes) { results_.changes = std::move(changes); }

    void under_way(std::vector<MachineResult> machines);

    // ---- what machines tell when they have ended

    // All but its problems.
    void add(const RunEnded& ended);
    void add(const std::string& machine, const LogRecord& record);
    void add_output(const OutputChunk& chunk);

    // "4 logs, 30 samples/flow".
    std::string collected() const;

    // The last thing.
    void finish(const RunPlan& plan, std::vector<MachineResult> machines);

  private:
    void keep(const Result<void>& outcome);

    RunArchive& archive_;
    bool archive_broken_ = false;
    ResultCollector collector_;
    RunFinished results_;
};

}  // namespace pleat
