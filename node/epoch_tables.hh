// EpochTables: the path tables of a run as this node holds them: as deltas, made into
// full tables one by one as their time comes.
//
// (1) Every delta is applied once when it arrives, so that its hash is known to be right
//     before its time; then only the delta is kept.
// (2) A full table of a large network is megabytes: whoever takes tables holds kAhead of
//     them beyond the one in force, not all.
// (3) Version 1, the file's, comes in order of epochs. A later version begins with a delta from
//     the table of the same epoch of the version that it is based on. It waits beside that until
//     switch_to(); one that is based on the same, and comes before, is in place of it.
// (4) What is pushed again (after a connection was lost) is answered again.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "model/path_table.hh"

namespace pleat {

class EpochTables {
  public:
    static constexpr std::size_t kAhead = 4;

    explicit EpochTables(PathTable base);

    // Takes the next epoch's delta of a version, or the first of a version that is based on
    // another. Answers the hash of the table it leads to, or why it does not lead to one.
    Result<std::uint64_t> add(PathTableDelta delta, std::optional<std::uint32_t> based_on = {});

    // So many epochs of version 1 are here.
    std::size_t count() const { return file_epochs_; }

    std::shared_ptr<const PathTable> base() const { return base_; }

    // Is the table of this version and epoch here?
    bool has(std::uint32_t version, EpochId epoch) const;

    // The epoch whose table has not been taken yet; it may not be here.
    EpochId next() const { return EpochId{next_}; }

    // The version of the tables that are taken.
    std::uint32_t version() const { return versions_[current_].number; }

    // The next table that has not been taken yet, in order of epochs; epoch 0 is the
    // first. Nothing when it is not here.
    std::shared_ptr<const PathTable> take_next();

    // From this epoch on the tables of another version are taken: its table of this epoch, which
    // must be here. What other versions would have had after it is forgotten.
    std::shared_ptr<const PathTable> switch_to(std::uint32_t version, EpochId epoch);

  private:
    struct Version {
        std::uint32_t number = 1;
        std::size_t based_on = 0;                     // index; of version 1: itself
        std::uint32_t first = 0;                      // epoch of the first delta
        std::vector<PathTableDelta> deltas;           // of `first` and the epochs after it
        std::shared_ptr<const PathTable> last_added;  // the proof of rule (1)

        std::uint32_t end() const { return first + static_cast<std::uint32_t>(deltas.size()); }
    };

    Result<std::uint64_t> begin_version(PathTableDelta delta, std::uint32_t based_on);
    std::optional<std::size_t> find(std::uint32_t version) const;
    std::shared_ptr<const PathTable> known(std::uint32_t version, std::uint32_t epoch) const;
    std::shared_ptr<const PathTable> full(std::size_t version, std::uint32_t epoch) const;
    std::shared_ptr<const PathTable> taken(std::shared_ptr<const PathTable> table);

    std::shared_ptr<const PathTable> base_;
    std::vector<Version> versions_;  // by number
    std::size_t current_ = 0;
    std::size_t file_epochs_ = 1;
    std::uint32_t next_ = 0;
    std::deque<std::shared_ptr<const PathTable>> recent_;  // taken; a version may be based on one
};

}  // namespace pleat
