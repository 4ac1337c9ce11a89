// TableSchedule: hands the tables of a run's epochs to its data plane, a few ahead, each with the
// instant at which it comes into force (T0 + the epoch's start); and, at any instant, those of a
// version that was made by hand.
//
// (1) When a version comes, those of the version before that the plane already has for later
//     instants are replaced, each at its instant, or the version is not taken.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hh"
#include "node/dataplane/data_plane.hh"
#include "node/epoch_tables.hh"
#include "node/run_recorder.hh"

namespace pleat {

class TableSchedule {
  public:
    // What came into force.
    struct Activation {
        std::shared_ptr<const PathTable> table;
        bool opens_epoch = true;  // else it is a version that came in the midst of one
    };

    // `epoch_starts`: of all epochs, ascending. `recorder` knows T0. All must outlive it.
    TableSchedule(EpochTables& tables, const std::vector<ExperimentTime>& epoch_starts,
                  const RunRecorder& recorder, DataPlane& plane);

    // Epoch 0, before T0: hosts that start earlier have its paths.
    void prepare(Instant now);

    // T0 is known: the next tables at their instants.
    void begin();

    // A version that was made by hand, and since when it is in force.
    struct ByHand {
        std::uint32_t version = 0;
        Instant at;
    };

    // As prepare() and begin(), in the midst of a run: the table of now, which it returns, and
    // the next ones. The plane reports it, too, with the instant at which it came into force.
    // `latest`: of the versions that are in force by now, the last.
    std::shared_ptr<const PathTable> resume(Instant now, std::optional<ByHand> latest = {});

    // Tables of this version, or of one after it, are in force or scheduled.
    bool has_switched_to(std::uint32_t version) const { return tables_.version() >= version; }

    // A version comes into force at `at`, or at once when that is past. False when tables that are
    // needed for it are not here: nothing has changed then.
    bool switch_version(std::uint32_t version, Instant at, Instant now);

    // Tables have come.
    void top_up();

    // An epoch has begun whose table is not here.
    bool overdue(Instant now) const;

    // The plane says that a table came into force. Nothing when it was in force before.
    std::optional<Activation> activated(const TableActivated& activated);

    EpochId in_force() const { return in_force_; }

    EpochId epoch_at(Instant at) const;

  private:
    void schedule_next();

    EpochTables& tables_;
    const std::vector<ExperimentTime>& epoch_starts_;
    const RunRecorder& recorder_;
    DataPlane& plane_;
    std::deque<Activation> scheduled_;  // handed over, not in force
    EpochId in_force_{};
    bool begun_ = false;
};

}  // namespace pleat
