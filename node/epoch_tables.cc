#include "node/epoch_tables.hh"

#include <algorithm>
#include <ranges>
#include <utility>

#include <fmt/format.h>

namespace pleat {

EpochTables::EpochTables(PathTable base)
    : base_{std::make_shared<const PathTable>(std::move(base))} {
    versions_.push_back(
        {.number = 1, .based_on = 0, .first = 1, .deltas = {}, .last_added = base_});
}

Result<std::uint64_t> EpochTables::add(PathTableDelta delta,
                                       std::optional<std::uint32_t> based_on) {
    if (delta.version < version()) return delta.hash;  // nobody will want it any more
    if (based_on && delta.version > version()) return begin_version(std::move(delta), *based_on);
    const auto index = find(delta.version);
    if (!index) {
        return fail(
            fmt::format("version {} of the path tables was pushed from its middle", delta.version));
    }
    Version& version = versions_[*index];
    if (delta.epoch.value >= version.first && delta.epoch.value < version.end()) {
        const PathTableDelta& here = version.deltas[delta.epoch.value - version.first];
        if (here.hash == delta.hash) return delta.hash;
    }
    if (delta.epoch.value != version.end()) {
        return fail(fmt::format("epoch {} was pushed where epoch {} was expected",
                                delta.epoch.value, version.end()));
    }
    Result<PathTable> table = version.last_added->with(delta);
    if (!table) return tl::unexpected{table.error()};
    version.last_added = std::make_shared<const PathTable>(std::move(*table));
    version.deltas.push_back(std::move(delta));
    if (*index == 0) file_epochs_ = version.end();
    return version.last_added->hash();
}

Result<std::uint64_t> EpochTables::begin_version(PathTableDelta delta, std::uint32_t based_on) {
    const auto base = find(based_on);
    if (!base || *base < current_ || delta.version <= based_on || !has(based_on, delta.epoch)) {
        return fail(
            fmt::format("version {} of the path tables is based on ({}, {}), which is not "
                        "here",
                        delta.version, based_on, delta.epoch.value));
    }
    Result<PathTable> table = full(*base, delta.epoch.value)->with(delta);
    if (!table) return tl::unexpected{table.error()};
    versions_.resize(*base + 1);
    Version& version = versions_.emplace_back();
    version.number = delta.version;
    version.based_on = *base;
    version.first = delta.epoch.value;
    version.last_added = std::make_shared<const PathTable>(std::move(*table));
    version.deltas.push_back(std::move(delta));
    return version.last_added->hash();
}

bool EpochTables::has(std::uint32_t version, EpochId epoch) const {
    const auto index = find(version);
    if (!index) return false;
    const Version& its = versions_[*index];
    const std::uint32_t first = *index == 0 ? 0 : its.first;
    return epoch.value >= first && epoch.value < its.end();
}

std::shared_ptr<const PathTable> EpochTables::take_next() {
    if (!has(version(), EpochId{next_})) return nullptr;
    return taken(full(current_, next_));
}

std::shared_ptr<const PathTable> EpochTables::switch_to(std::uint32_t version, EpochId epoch) {
    PLEAT_ASSERT(has(version, epoch) && version >= this->version());
    std::shared_ptr<const PathTable> table = full(*find(version), epoch.value);
    current_ = *find(version);
    for (std::size_t i = 0; i < current_; ++i) {
        Version& old = versions_[i];
        if (old.end() <= epoch.value + 1) continue;
        old.deltas.resize(epoch.value < old.first ? 0 : epoch.value + 1 - old.first);
        old.last_added.reset();
    }
    return taken(std::move(table));
}

std::shared_ptr<const PathTable> EpochTables::taken(std::shared_ptr<const PathTable> table) {
    next_ = table->epoch().value + 1;
    recent_.push_back(table);
    if (recent_.size() > 2 * kAhead) recent_.pop_front();
    return table;
}

std::optional<std::size_t> EpochTables::find(std::uint32_t version) const {
    const auto found = std::ranges::find(versions_, version, &Version::number);
    if (found == versions_.end()) return {};
    return static_cast<std::size_t>(found - versions_.begin());
}

std::shared_ptr<const PathTable> EpochTables::known(std::uint32_t version,
                                                    std::uint32_t epoch) const {
    const auto is_it = [&](const std::shared_ptr<const PathTable>& table) {
        return table && table->version() == version && table->epoch().value == epoch;
    };
    for (const auto& table : std::views::reverse(recent_)) {
        if (is_it(table)) return table;
    }
    for (const Version& each : versions_) {
        if (is_it(each.last_added)) return each.last_added;
    }
    return is_it(base_) ? base_ : nullptr;
}

// Applied once already, each of them: they cannot fail now.
std::shared_ptr<const PathTable> EpochTables::full(std::size_t version, std::uint32_t epoch) const {
    std::vector<const PathTableDelta*> steps;
    std::shared_ptr<const PathTable> table;
    while (!(table = known(versions_[version].number, epoch))) {
        const Version& its = versions_[version];
        steps.push_back(&its.deltas.at(epoch - its.first));
        if (version > 0 && epoch == its.first) {
            version = its.based_on;
        } else {
            --epoch;
        }
    }
    for (const PathTableDelta* const step : std::views::reverse(steps)) {
        Result<PathTable> next = table->with(*step);
        PLEAT_ASSERT(next.has_value());
        table = std::make_shared<const PathTable>(std::move(*next));
    }
    return table;
}

}  // namespace pleat
