#include "node/table_schedule.hh"

#include <algorithm>
#include <utility>

namespace pleat {

TableSchedule::TableSchedule(EpochTables& tables, const std::vector<ExperimentTime>& epoch_starts,
                             const RunRecorder& recorder, DataPlane& plane)
    : tables_{tables}, epoch_starts_{epoch_starts}, recorder_{recorder}, plane_{plane} {}

void TableSchedule::prepare(Instant now) {
    plane_.activate_at(tables_.take_next(), now);
}

void TableSchedule::begin() {
    begun_ = true;
    top_up();
}

std::shared_ptr<const PathTable> TableSchedule::resume(Instant now, std::optional<ByHand> latest) {
    in_force_ = epoch_at(now);
    const Instant begun = recorder_.instant(epoch_starts_[in_force_.value]);
    std::shared_ptr<const PathTable> table;
    if (latest && tables_.has(latest->version, in_force_)) {
        // Not first that of the file: packets would take paths that are gone.
        table = tables_.switch_to(latest->version, in_force_);
        scheduled_.push_back({table, false});
        plane_.activate_at(table, std::max(latest->at, begun));
    } else {
        while (tables_.next() <= in_force_) table = tables_.take_next();
        plane_.activate_at(table, begun);
    }
    begin();
    return table;
}

EpochId TableSchedule::epoch_at(Instant at) const {
    const auto next = std::ranges::upper_bound(epoch_starts_, recorder_.at(at));
    const auto begun = next - epoch_starts_.begin();
    return EpochId{begun > 0 ? static_cast<std::uint32_t>(begun - 1) : 0};
}

bool TableSchedule::switch_version(std::uint32_t version, Instant at, Instant now) {
    const EpochId epoch = epoch_at(std::max(at, now));
    // When it is late: in place of the epoch's own table, should that not be in force yet.
    const Instant when = std::max(at, recorder_.instant(epoch_starts_[epoch.value]));
    EpochId last = epoch;
    for (const Activation& each : scheduled_) last = std::max(last, each.table->epoch());
    if (!tables_.has(version, epoch) || !tables_.has(version, last)) return false;

    while (tables_.next() <= epoch && tables_.has(tables_.version(), tables_.next())) {
        schedule_next();
    }
    std::erase_if(scheduled_, [epoch](const Activation& each) {
        return each.opens_epoch && each.table->epoch() > epoch;
    });
    std::shared_ptr<const PathTable> table = tables_.switch_to(version, epoch);
    scheduled_.push_back({table, false});
    plane_.activate_at(std::move(table), when);
    while (tables_.next() <= last) schedule_next();
    top_up();
    return true;
}

void TableSchedule::top_up() {
    const auto waiting = [this] {
        return static_cast<std::size_t>(
            std::ranges::count_if(scheduled_, &Activation::opens_epoch));
    };
    while (begun_ && waiting() < EpochTables::kAhead &&
           tables_.has(tables_.version(), tables_.next())) {
        schedule_next();
    }
}

bool TableSchedule::overdue(Instant now) const {
    const EpochId next = tables_.next();
    return begun_ && next.value < epoch_starts_.size() && !tables_.has(tables_.version(), next) &&
           recorder_.instant(epoch_starts_[next.value]) <= now;
}

std::optional<TableSchedule::Activation> TableSchedule::activated(const TableActivated& activated) {
    const auto is_it = [&activated](const Activation& each) {
        return each.table->version() == activated.version && each.table->epoch() == activated.epoch;
    };
    // Not so: it is of before the run began, or was taken over.
    const auto found = std::ranges::find_if(scheduled_, is_it);
    if (found == scheduled_.end()) return {};
    Activation result = std::move(*found);
    scheduled_.erase(scheduled_.begin(), found + 1);
    in_force_ = result.table->epoch();
    top_up();
    return result;
}

void TableSchedule::schedule_next() {
    std::shared_ptr<const PathTable> table = tables_.take_next();
    PLEAT_ASSERT(table != nullptr);
    const Instant when = recorder_.instant(epoch_starts_[table->epoch().value]);
    scheduled_.push_back({table, true});
    plane_.activate_at(std::move(table), when);
}

}  // namespace pleat
