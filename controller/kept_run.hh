// KeptRun: all that is kept of one run: its row in the store, run.db and manifest.json.
#pragma once

#include <functional>
#include <string>

#include "controller/manifest.hh"
#include "controller/run_archive.hh"
#include "controller/run_log.hh"
#include "controller/store.hh"

namespace pleat {

// The wall clock: "2024-05-17T09:30:00Z".
using UtcClock = std::function<std::string()>;

std::string utc_now();

class KeptRun final : public RunArchive {
  public:
    // Makes the run's directory and its files. `plan` and `store` must outlive this.
    // Throws Failure.
    KeptRun(Store& store, const RunPlan& plan, UtcClock clock);
    // One that an earlier controller has kept, and that is under way still.
    KeptRun(Store& store, const RunPlan& plan, UtcClock clock, std::string submitted_at);

    Result<void> prepared(const std::string& data_plane) override;
    Result<void> under_way(const RunFinished& so_far) override;
    Result<void> add(const std::string& machine, const LogRecord& record) override;
    Result<void> add_output(const OutputChunk& chunk) override;
    Result<void> finish(const RunFinished& finished) override;

  private:
    Store& store_;
    const RunPlan& plan_;
    UtcClock clock_;
    std::string submitted_at_;
    MachineFacts machine_;
    RunLog log_;
};

}  // namespace pleat
