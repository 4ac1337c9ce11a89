// RowWorker: folds tables into rows and copies rows into slots, on a thread of its own, so
// that neither holds up the loop.
//
// (1) Inputs never change: tables, rows, the folder. Results come back by a mailbox.
// (2) Copying goes first: between any two sources of a table that is being folded.
// (3) Jobs of a kind are done in order.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <thread>
#include <variant>

#include "base/mailbox.hh"
#include "node/dataplane/edt/table_rows.hh"

namespace pleat {

class RowWorker {
  public:
    // The rows of `table` for these hosts, after those of `before` (of the same table), if any.
    struct Fold {
        std::uint64_t ticket = 0;
        std::shared_ptr<const PathTable> table;
        std::vector<HostId> hosts;
        std::shared_ptr<const TableRows> before;
    };

    struct Folded {
        std::uint64_t ticket = 0;
        std::shared_ptr<const TableRows> rows;
    };

    struct Fill {
        std::uint32_t slot = 0;
        std::shared_ptr<const TableRows> rows;
        std::span<edt_path> paths;  // of the slot
        std::span<edt_uplink> uplinks;
        bool wait_for_readers = false;  // first
    };

    struct Filled {
        std::uint32_t slot = 0;
    };

    using Result = std::variant<Folded, Filled>;

    // Whether this kernel lets one wait until no program is under way that began before.
    static bool can_wait_for_readers();

    // The folder must outlive it.
    explicit RowWorker(const PathFolder& folder);
    RowWorker(const RowWorker&) = delete;
    RowWorker& operator=(const RowWorker&) = delete;
    ~RowWorker();  // gives up what is not done

    void fold(Fold job) { jobs_.post(std::move(job)); }

    void fill(Fill job) { jobs_.post(std::move(job)); }

    Mailbox<Result>& results() { return results_; }

  private:
    struct Stop {};

    using Job = std::variant<Fold, Fill, Stop>;

    void run();
    void receive(bool wait);
    void fold_one_source();
    void copy(const Fill& job);

    const PathFolder* folder_;
    Mailbox<Job> jobs_;
    Mailbox<Result> results_;

    // The thread's own.
    std::deque<Fold> folds_;
    std::shared_ptr<TableRows> rows_;  // of folds_.front(), as far as they are
    bool stopped_ = false;

    std::jthread thread_;
};

}  // namespace pleat
