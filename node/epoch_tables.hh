// EpochTables: the path tables of a run as this node holds them: as deltas, made into
// full tables one by one as their time comes.
//
// (1) Every delta is applied once when it arrives, so that its hash is known to be right
//     before the run begins; then only the delta is kept.
// (2) A full table of a large network is megabytes: whoever takes tables holds kAhead of
//     them beyond the one in force, not all.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "model/path_table.hh"

namespace pleat {

class EpochTables {
  public:
    static constexpr std::size_t kAhead = 4;

    explicit EpochTables(PathTable base);

    // Takes the next epoch's delta. Answers the hash of the table it leads to, or why it
    // does not lead to one.
    Result<std::uint64_t> add(PathTableDelta delta);

    std::size_t count() const { return deltas_.size() + 1; }

    std::shared_ptr<const PathTable> base() const { return base_; }

    // The next table that has not been taken yet, in order of epochs; epoch 0 is the
    // first. Nothing when all have been taken.
    std::shared_ptr<const PathTable> take_next();

  private:
    std::shared_ptr<const PathTable> base_;
    std::shared_ptr<const PathTable> last_added_;  // the proof of rule (1)
    std::shared_ptr<const PathTable> last_taken_;
    std::vector<PathTableDelta> deltas_;
    std::size_t taken_ = 0;
};

}  // namespace pleat
