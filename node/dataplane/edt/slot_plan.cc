#include "node/dataplane/edt/slot_plan.hh"

#include <algorithm>

namespace pleat {

namespace {

// A slot that is taken back less than this before its instant may be in use already.
constexpr Duration kTooClose = std::chrono::milliseconds{1};

}  // namespace

SlotPlan::SlotPlan(bool can_wait_for_readers, const LeftSlots& left)
    : can_wait_for_readers_{can_wait_for_readers} {
    for (Slot slot = 0; slot < EDT_SLOTS; ++slot) {
        if (!left[slot]) continue;
        const Left& one = *left[slot];
        begins_[slot] = one.begins;
        entries_.push_back(Entry{
            .asked = {.ticket = 0, .version = one.version, .epoch = one.epoch, .when = one.begins},
            .effective = one.begins,
            .state = State::armed,
            .slot = slot,
            .named = false});
    }
    std::ranges::sort(entries_, {}, &Entry::effective);
}

std::size_t SlotPlan::past(Instant now) const {
    const auto last = std::find_if(entries_.rbegin(), entries_.rend(),
                                   [&](const Entry& one) { return in_force_by(one, now); });
    return static_cast<std::size_t>(entries_.rend() - last);
}

// Programs that began before `since` may be reading it.
void SlotPlan::release(Slot slot, Instant since) {
    begins_[slot].reset();
    read_until_[slot] = since + kRetirement;
}

void SlotPlan::take_back(Entry& entry, Instant now) {
    if (entry.state != State::armed) return;
    if (begin(entry) - now < kTooClose) {
        release(entry.slot, now);
    } else {
        begins_[entry.slot].reset();
    }
    entry.state = State::ready;
}

// (5)
bool SlotPlan::take_up(const Asked& table, Instant now) {
    const std::size_t past_ones = past(now);
    for (std::size_t i = past_ones == 0 ? 0 : past_ones - 1; i < entries_.size(); ++i) {
        Entry& one = entries_[i];
        const bool in_time = i < past_ones ? table.when <= now : table.when == one.asked.when;
        if (one.named || !in_time || one.asked.version != table.version ||
            one.asked.epoch != table.epoch) {
            continue;
        }
        one.asked.ticket = table.ticket;
        one.named = true;
        return true;
    }
    return false;
}

void SlotPlan::ask(const Asked& table, Instant now) {
    if (take_up(table, now)) return;
    const auto loses = [&](Entry& one) {
        if (in_force_by(one, now)) return false;
        const bool same_table =
            one.asked.version == table.version && one.asked.epoch == table.epoch;
        if (!same_table && one.asked.when != table.when) return false;
        take_back(one, now);
        return true;
    };
    std::erase_if(entries_, loses);
    const Entry entry{.asked = table, .effective = std::max(table.when, now)};
    entries_.insert(std::ranges::upper_bound(entries_, entry.effective, {}, &Entry::effective),
                    entry);
}

bool SlotPlan::folded(Ticket ticket) {
    const auto found = std::ranges::find_if(entries_, [ticket](const Entry& one) {
        return one.asked.ticket == ticket && one.state == State::waiting;
    });
    if (found == entries_.end()) return false;
    found->state = State::ready;
    return true;
}

void SlotPlan::retire(Instant now) {
    const Duration wait = can_wait_for_readers_ ? Duration::zero() : kRetirement;
    const Entry* successor = nullptr;
    for (std::size_t i = past(now); i-- > 0;) {
        Entry& one = entries_[i];
        if (one.state != State::armed) continue;
        one.over = one.reported && successor != nullptr && begin(*successor) + wait <= now;
        if (one.over) one.left = begin(*successor);
        successor = &one;
    }
    std::erase_if(entries_, [this](const Entry& one) {
        if (one.over) release(one.slot, one.left);
        return one.over;
    });
}

// The first that is ready; but of those whose instants are over, only the last.
SlotPlan::Entry* SlotPlan::next_to_fill(Instant now) {
    Entry* chosen = nullptr;
    for (std::size_t i = past(now); i < entries_.size(); ++i) {
        Entry& one = entries_[i];
        const bool late = one.effective <= now;
        if (late && one.state == State::filling) chosen = nullptr;
        if (one.state != State::ready) continue;
        if (late || chosen == nullptr) chosen = &one;
        if (!late) break;
    }
    return chosen;
}

std::optional<SlotPlan::Slot> SlotPlan::free_slot(Instant now) const {
    for (Slot slot = 0; slot < EDT_SLOTS; ++slot) {
        if (begins_[slot] || being_filled_[slot]) continue;
        if (can_wait_for_readers_ || read_until_[slot] <= now) return slot;
    }
    return std::nullopt;
}

std::optional<SlotPlan::Slot> SlotPlan::slot_of_later_than(const Entry& entry, Instant now) {
    const auto last = std::find_if(entries_.rbegin(), entries_.rend(), [](const Entry& one) {
        return one.state == State::armed && one.named;
    });
    if (last == entries_.rend() || last->effective <= entry.effective) return std::nullopt;
    if (begin(*last) <= now + 2 * kRetirement) return std::nullopt;
    take_back(*last, now);
    return free_slot(now);
}

std::optional<SlotPlan::Fill> SlotPlan::next_fill(Instant now) {
    retire(now);
    Entry* const entry = next_to_fill(now);
    if (entry == nullptr) return std::nullopt;
    std::optional<Slot> slot = free_slot(now);
    if (!slot) slot = slot_of_later_than(*entry, now);
    if (!slot) return std::nullopt;
    entry->state = State::filling;
    entry->slot = *slot;
    being_filled_[*slot] = true;
    return Fill{
        .ticket = entry->asked.ticket, .slot = *slot, .wait_for_readers = read_until_[*slot] > now};
}

void SlotPlan::filled(Slot slot, Instant now) {
    being_filled_[slot] = false;
    const auto found = std::ranges::find_if(entries_, [slot](const Entry& one) {
        return one.state == State::filling && one.slot == slot;
    });
    if (found == entries_.end()) return;  // it has lost meanwhile
    if (static_cast<std::size_t>(found - entries_.begin()) < past(now)) {
        found->state = State::ready;  // (4): skipped
        return;
    }
    Instant begin_at = std::max(found->effective, now);
    for (auto one = entries_.begin(); one != found; ++one) {
        if (one->state != State::armed) continue;
        begin_at = std::max(begin_at, begin(*one) + Duration{1});
    }
    found->state = State::armed;
    begins_[slot] = begin_at;
}

std::vector<SlotPlan::InForce> SlotPlan::due(Instant now) {
    std::vector<InForce> result;
    const std::size_t end = past(now);
    Instant successor{};
    for (std::size_t i = end; i-- > 0;) {
        Entry& one = entries_[i];
        if (one.state == State::armed) successor = begin(one);
        if (one.reported) continue;
        one.reported = true;
        result.push_back({one.asked, successor});
    }
    const auto last = entries_.begin() + static_cast<std::ptrdiff_t>(end);
    const auto skipped = [](const Entry& one) { return one.state != State::armed; };
    entries_.erase(std::remove_if(entries_.begin(), last, skipped), last);
    std::ranges::reverse(result);
    return result;
}

std::optional<Instant> SlotPlan::next_instant(Instant now) const {
    std::optional<Instant> next;
    const auto consider = [&](Instant at) {
        if (!next || at < *next) next = at;
    };
    bool any_ready = false;
    for (const Entry& one : entries_) {
        if (one.state == State::armed && !one.reported) consider(std::max(begin(one), now));
        any_ready = any_ready || one.state == State::ready;
    }
    if (!any_ready) return next;
    for (const Entry& one : entries_) {
        if (one.state != State::armed) continue;
        for (const Instant at : {begin(one), begin(one) + kRetirement}) {
            if (at > now) consider(at);
        }
    }
    for (Slot slot = 0; slot < EDT_SLOTS; ++slot) {
        if (!begins_[slot] && read_until_[slot] > now) consider(read_until_[slot]);
    }
    return next;
}

std::optional<SlotPlan::Ticket> SlotPlan::occupant(Slot slot) const {
    for (const Entry& one : entries_) {
        const bool there = one.state == State::filling || one.state == State::armed;
        if (there && one.named && one.slot == slot) return one.asked.ticket;
    }
    return std::nullopt;
}

bool SlotPlan::knows(Ticket ticket) const {
    return std::ranges::any_of(
        entries_, [ticket](const Entry& one) { return one.asked.ticket == ticket && one.named; });
}

}  // namespace pleat
