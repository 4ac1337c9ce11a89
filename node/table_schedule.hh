// TableSchedule: hands the tables of a run's epochs to its data plane, a few ahead, each with the
// instant at which it comes into force (T0 + the epoch's start).
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/clock.hh"
#include "node/dataplane/data_plane.hh"
#include "node/epoch_tables.hh"
#include "node/run_recorder.hh"

namespace pleat {

class TableSchedule {
  public:
    // `epoch_starts`: of all epochs, ascending. `recorder` knows T0. All must outlive it.
    TableSchedule(EpochTables& tables, const std::vector<ExperimentTime>& epoch_starts,
                  const RunRecorder& recorder, DataPlane& plane);

    // Epoch 0, before T0: hosts that start earlier have its paths.
    void prepare(Instant now);

    // T0 is known: the next tables at their instants.
    void begin();

    // As prepare() and begin(), in the midst of a run: the table of now, which it returns, and
    // the next ones. The plane reports it, too, with the instant at which it came into force.
    std::shared_ptr<const PathTable> resume(Instant now);

    // The plane says that an epoch's table came into force: that table. Nothing when it was in
    // force before.
    std::shared_ptr<const PathTable> activated(EpochId epoch);

    EpochId in_force() const { return in_force_; }

  private:
    void schedule_next();

    EpochTables& tables_;
    const std::vector<ExperimentTime>& epoch_starts_;
    const RunRecorder& recorder_;
    DataPlane& plane_;
    std::deque<std::shared_ptr<const PathTable>> scheduled_;  // handed over, not in force
    EpochId in_force_{};
};

}  // namespace pleat
