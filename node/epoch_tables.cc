#include "node/epoch_tables.hh"

#include <fmt/format.h>

namespace pleat {

EpochTables::EpochTables(PathTable base)
    : base_{std::make_shared<const PathTable>(std::move(base))}, last_added_{base_} {}

Result<std::uint64_t> EpochTables::add(PathTableDelta delta) {
    if (delta.epoch.value != deltas_.size() + 1) {
        return fail(fmt::format("epoch {} was pushed where epoch {} was expected",
                                delta.epoch.value, deltas_.size() + 1));
    }
    Result<PathTable> table = last_added_->with(delta);
    if (!table) return tl::unexpected{table.error()};
    last_added_ = std::make_shared<const PathTable>(std::move(*table));
    deltas_.push_back(std::move(delta));
    return last_added_->hash();
}

std::shared_ptr<const PathTable> EpochTables::take_next() {
    if (taken_ > deltas_.size()) return nullptr;
    if (taken_ == 0) {
        last_taken_ = base_;
    } else {
        // It has been applied once already: it cannot fail now.
        Result<PathTable> table = last_taken_->with(deltas_[taken_ - 1]);
        PLEAT_ASSERT(table.has_value());
        last_taken_ = std::make_shared<const PathTable>(std::move(*table));
    }
    ++taken_;
    return last_taken_;
}

}  // namespace pleat
