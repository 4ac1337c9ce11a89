#include "model/flow_history.hh"

#include <algorithm>

#include "base/error.hh"

namespace pleat {

namespace {

double seconds(Duration time) {
    return static_cast<double>(time.count()) * 1e-9;
}

}  // namespace

void FlowHistory::restart(const FlowCount& count) {
    slots_.resize(kSlots);
    oldest_ = newest_ = slot_number(count.at);
    slot(newest_) = latest_ = count;
}

void FlowHistory::clear() {
    slots_.clear();
    slots_.shrink_to_fit();
}

void FlowHistory::record(const FlowCount& count) {
    PLEAT_ASSERT(!slots_.empty());
    PLEAT_ASSERT(count.at >= latest_.at);
    const std::int64_t number = slot_number(count.at);
    // A slot holds the first look in it, so that a window never reaches back less than
    // it says by more than its last look's lateness. Skipped slots repeat what was known.
    constexpr auto kCount = static_cast<std::int64_t>(kSlots);
    for (std::int64_t n = std::max(newest_ + 1, number - kCount); n < number; ++n) {
        slot(n) = latest_;
    }
    if (number > newest_) slot(number) = count;
    newest_ = number;
    oldest_ = std::max(oldest_, newest_ - kCount + 1);
    latest_ = count;
}

const FlowCount& FlowHistory::before(Instant at) const {
    const std::int64_t number = std::clamp(slot_number(at), oldest_, newest_);
    const auto index = [](std::int64_t n) { return static_cast<std::size_t>(n) % kSlots; };
    const FlowCount& there = slots_[index(number)];
    return there.at > at && number > oldest_ ? slots_[index(number - 1)] : there;
}

double FlowHistory::bits_per_second(Duration window, Duration ago) const {
    const FlowCount& end = ago == Duration::zero() ? latest_ : before(latest_.at - ago);
    const FlowCount& begin = before(end.at - window);
    const Duration time = std::max(window, end.at - begin.at);
    return static_cast<double>(end.bytes - begin.bytes) * 8.0 / seconds(time);
}

double FlowHistory::waiting(Duration window) const {
    const FlowCount& begin = before(latest_.at - window);
    return seconds(latest_.waited - begin.waited) /
           seconds(std::max(window, latest_.at - begin.at));
}

std::uint64_t FlowHistory::packets(Duration window) const {
    return latest_.packets - before(latest_.at - window).packets;
}

Duration FlowHistory::waited(Duration window) const {
    return latest_.waited - before(latest_.at - window).waited;
}

}  // namespace pleat
