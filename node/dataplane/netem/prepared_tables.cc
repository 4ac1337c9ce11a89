#include "node/dataplane/netem/prepared_tables.hh"

#include <algorithm>
#include <utility>

namespace pleat {

void PreparedTables::ask(std::shared_ptr<const PathTable> table, Instant when) {
    std::erase_if(tables_, [&](const PreparedTable& other) {
        return other.when == when || (other.table->version() == table->version() &&
                                      other.table->epoch() == table->epoch());
    });
    const auto later = std::ranges::upper_bound(tables_, when, {}, &PreparedTable::when);
    tables_.insert(later, PreparedTable{.table = std::move(table), .when = when, .rows = {}});
}

void PreparedTables::folded(FoldedTable folded) {
    const auto found = std::ranges::find(tables_, folded.table, &PreparedTable::table);
    if (found != tables_.end()) found->rows = std::move(folded.rows);
}

std::optional<PreparedTable> PreparedTables::take_due(Instant now) {
    if (tables_.empty() || tables_.front().when > now || !tables_.front().rows) {
        return std::nullopt;
    }
    std::optional<PreparedTable> due{std::move(tables_.front())};
    tables_.erase(tables_.begin());
    return due;
}

std::optional<Instant> PreparedTables::next() const {
    if (tables_.empty()) return std::nullopt;
    return tables_.front().when;
}

}  // namespace pleat
