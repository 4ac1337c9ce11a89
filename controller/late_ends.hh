// LateEnds: ends of runs that the store could not take when they came (its disk was full). They
// are told from here, and tried again until it takes them; nodes keep what they have meanwhile, so
// that a controller that is started anew can collect it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/kept_run.hh"

namespace pleat {

class LateEnds {
  public:
    struct End {
        RunFinished results;
        std::vector<std::string> machines;
    };

    // `store` must outlive it.
    explicit LateEnds(Store& store) : store_{store} {}

    void add(End end);

    bool empty() const { return ends_.empty(); }

    // Nothing: the end of this run is in the store, or has not come.
    const RunFinished* find(const std::string& run) const;

    // Those that the store has taken now.
    std::vector<End> try_again();

  private:
    Store& store_;
    std::map<std::string, End> ends_;  // by run
};

}  // namespace pleat
