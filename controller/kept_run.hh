// KeptRun: all that is kept of one run: its row in the store, run.db and manifest.json.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "controller/manifest.hh"
#include "controller/run_archive.hh"
#include "controller/run_log.hh"
#include "controller/store.hh"

namespace pleat {

// The wall clock: "2024-05-17T09:30:00Z".
using UtcClock = std::function<std::string()>;

std::string utc_now();

RunState end_state(const RunFinished& finished);

// Throws Failure when the store can't take it.
void store_end(Store& store, const std::string& run, const RunFinished& finished,
               std::string_view now_utc);

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

    // After finish(): does the store know the end?
    bool end_stored() const { return end_stored_; }

  private:
    Store& store_;
    const RunPlan& plan_;
    UtcClock clock_;
    std::string submitted_at_;
    MachineFacts machine_;
    RunLog log_;
    bool end_stored_ = false;
};

}  // namespace pleat
