// RowFolder: folds all paths of this machine's hosts, on a thread of its own, before their
// table comes into force.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/mailbox.hh"
#include "node/dataplane/flow_shape.hh"

namespace pleat {

// By destination; nothing where no path leads.
using Rows = std::vector<std::optional<FlowShape>>;

Rows rows_of(const PathFolder& folder, const PathTable& table, HostId source);

struct FoldedTable {
    std::shared_ptr<const PathTable> table;
    std::map<HostId, Rows> rows;
};

class RowFolder {
  public:
    // `folder` must outlive it.
    explicit RowFolder(const PathFolder& folder);
    RowFolder(const RowFolder&) = delete;
    RowFolder& operator=(const RowFolder&) = delete;
    ~RowFolder();

    void fold(std::shared_ptr<const PathTable> table, std::vector<HostId> sources);

    // Readable when something is folded.
    int fd() const { return folded_.fd(); }

    std::vector<FoldedTable> take() { return folded_.take(); }

  private:
    struct Job {
        std::shared_ptr<const PathTable> table;  // none: the end
        std::vector<HostId> sources;
    };

    void run();

    const PathFolder& folder_;
    Mailbox<Job> jobs_;
    Mailbox<FoldedTable> folded_;
    std::thread thread_;
};

}  // namespace pleat
