#include "controller/late_ends.hh"

#include <utility>

#include "base/log.hh"
#include "controller/attempted.hh"

namespace pleat {

void LateEnds::add(End end) {
    log::warn("run={} has ended, which the store can't take now; it is tried again",
              end.results.run);
    ends_.insert_or_assign(end.results.run, std::move(end));
}

const RunFinished* LateEnds::find(const std::string& run) const {
    const auto found = ends_.find(run);
    return found == ends_.end() ? nullptr : &found->second.results;
}

std::vector<LateEnds::End> LateEnds::try_again() {
    std::vector<End> taken;
    for (auto end = ends_.begin(); end != ends_.end();) {
        if (attempted([&] { store_end(store_, end->first, end->second.results, utc_now()); })) {
            taken.push_back(std::move(end->second));
            end = ends_.erase(end);
        } else {
            ++end;
        }
    }
    return taken;
}

}  // namespace pleat
