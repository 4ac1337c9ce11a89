#include "node/dataplane/access_link.hh"

namespace pleat {

void Uplink::reshape(const AccessShape& shape) {
    if (shape.bandwidth == bandwidth_ && shape.overhead == overhead_) return;
    bandwidth_ = shape.bandwidth;
    overhead_ = shape.overhead;
    // When the paths' rates together are within the link's, a train waits for at most
    // one other.
    constexpr std::int64_t kFullSize = 1538;
    const Ticks longest = PathElement::kLongestTrain;
    credit_ = 2 * std::max(longest, transmission_time(kFullSize, bandwidth_));
}

bool Uplink::ask(FlowIndex flow, Ticks time, FineInstant finish, FineInstant now) {
    if (!chosen_ && !choosing_ && last_ + time <= now) {
        last_ = now;
        return true;
    }
    waiting_.push_back({finish, flow, time});
    std::push_heap(waiting_.begin(), waiting_.end(), std::greater<>{});
    if (!chosen_ && !choosing_) choose();
    return false;
}

std::optional<FineInstant> Uplink::next() const {
    if (!chosen_) return std::nullopt;
    return chosen_leaves_;
}

FlowIndex Uplink::leave(FineInstant now) {
    PLEAT_ASSERT(chosen_);
    last_ = now;
    const FlowIndex flow = chosen_->flow;
    chosen_.reset();
    choosing_ = true;
    return flow;
}

void Uplink::choose() {
    choosing_ = false;
    if (chosen_ || waiting_.empty()) return;
    std::pop_heap(waiting_.begin(), waiting_.end(), std::greater<>{});
    chosen_ = waiting_.back();
    waiting_.pop_back();
    chosen_leaves_ = last_ + chosen_->time;
}

void Uplink::withdraw(FlowIndex flow) {
    if (chosen_ && chosen_->flow == flow) {
        chosen_.reset();
        choose();
        return;
    }
    std::erase_if(waiting_, [flow](const Waiting& waiting) { return waiting.flow == flow; });
    std::make_heap(waiting_.begin(), waiting_.end(), std::greater<>{});
}

void Downlink::reshape(const AccessShape& shape) {
    bandwidth_ = shape.bandwidth;
    overhead_ = shape.overhead;
}

Downlink::Answer Downlink::offer(const Passing& passing, DataSize queue, FineInstant now) {
    if (queue_.empty() && last_ + time_of(passing.train) <= now) {
        last_ = now;
        return Answer::passes;
    }
    if (queued_bytes_ > 0 && queued_bytes_ + passing.train.ip_bytes() > queue.bytes()) {
        return Answer::full;
    }
    queued_bytes_ += passing.train.ip_bytes();
    queue_.push_back(passing);
    return Answer::waits;
}

Downlink::Passing Downlink::leave(FineInstant now) {
    last_ = now;
    const Passing passing = queue_.pop_front();
    queued_bytes_ -= passing.train.ip_bytes();
    return passing;
}

}  // namespace pleat
