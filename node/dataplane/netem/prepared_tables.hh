// PreparedTables: tables that are not in force yet, by instant. Pure.
//
// (1) Of two with one instant, or of one version and epoch, the later asked for is kept.
// (2) They come into force in the order of their instants: one that is due but not folded holds
//     the others up.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hh"
#include "node/dataplane/netem/row_folder.hh"

namespace pleat {

struct PreparedTable {
    std::shared_ptr<const PathTable> table;
    Instant when;
    std::optional<std::map<HostId, Rows>> rows;  // when they are folded
};

class PreparedTables {
  public:
    void ask(std::shared_ptr<const PathTable> table, Instant when);

    // What is no longer asked for is forgotten.
    void folded(FoldedTable folded);

    std::optional<PreparedTable> take_due(Instant now);

    // When the first one is due; nothing when there is none.
    std::optional<Instant> next() const;

  private:
    std::vector<PreparedTable> tables_;
};

}  // namespace pleat
