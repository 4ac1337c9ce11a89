#include "node/table_schedule.hh"

#include <utility>

namespace pleat {

TableSchedule::TableSchedule(EpochTables& tables, const std::vector<ExperimentTime>& epoch_starts,
                             const RunRecorder& recorder, DataPlane& plane)
    : tables_{tables}, epoch_starts_{epoch_starts}, recorder_{recorder}, plane_{plane} {}

void TableSchedule::prepare(Instant now) {
    plane_.activate_at(tables_.take_next(), now);
}

void TableSchedule::begin() {
    for (std::size_t i = 0; i < EpochTables::kAhead; ++i) schedule_next();
}

std::shared_ptr<const PathTable> TableSchedule::resume(Instant now) {
    std::shared_ptr<const PathTable> table = tables_.take_next();
    while (table->epoch().value + 1 < epoch_starts_.size() &&
           recorder_.instant(epoch_starts_[table->epoch().value + 1]) <= now) {
        table = tables_.take_next();
    }
    in_force_ = table->epoch();
    plane_.activate_at(table, recorder_.instant(epoch_starts_[in_force_.value]));
    begin();
    return table;
}

std::shared_ptr<const PathTable> TableSchedule::activated(EpochId epoch) {
    if (epoch <= in_force_) return nullptr;  // since the run was prepared, or taken over
    std::shared_ptr<const PathTable> table;
    while (!scheduled_.empty() && scheduled_.front()->epoch() <= epoch) {
        table = std::move(scheduled_.front());
        scheduled_.pop_front();
    }
    in_force_ = epoch;
    schedule_next();
    return table;
}

void TableSchedule::schedule_next() {
    std::shared_ptr<const PathTable> table = tables_.take_next();
    if (!table) return;
    const Instant when = recorder_.instant(epoch_starts_[table->epoch().value]);
    scheduled_.push_back(table);
    plane_.activate_at(std::move(table), when);
}

}  // namespace pleat
