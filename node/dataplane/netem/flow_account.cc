#include "node/dataplane/netem/flow_account.hh"

#include <algorithm>
#include <cmath>

namespace pleat {

namespace {

constexpr Duration kQuiet = std::chrono::seconds{1};

std::int64_t count(Instant at) {
    return at.time_since_epoch().count();
}

std::int64_t signed_of(std::uint64_t n) {
    return static_cast<std::int64_t>(n);
}

// Counters never go back.
void raise(std::atomic<std::uint64_t>& counter, std::int64_t value) {
    counter.store(
        std::max(counter.load(), static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0))));
}

// part of a whole, of an amount that belongs to the whole.
std::int64_t share(std::int64_t amount, std::int64_t part, std::int64_t whole) {
    if (whole <= 0) return 0;
    return std::llround(static_cast<double>(amount) * static_cast<double>(part) /
                        static_cast<double>(whole));
}

}  // namespace

void FlowAccount::note_arrival(Instant at) {
    last_arrival_ = std::max(last_arrival_, at);
    counters_->last_arrival_ns = count(last_arrival_);
}

void FlowAccount::update(const EntryCount& entered, const DestinationUsage& sent,
                         std::int32_t overhead, Instant now) {
    empty_ = sent.held_packets == 0;
    sent_packets_ = sent.packets;
    const std::int64_t sent_bytes = signed_of(sent.bytes) + overhead * signed_of(sent.packets);
    sent_bytes_ = static_cast<std::uint64_t>(std::max<std::int64_t>(sent_bytes, 0));

    // Drops, as far as qdiscs tell.
    std::int64_t queue = signed_of(sent.queue_drops);
    std::int64_t lost = signed_of(sent.netem_drops);
    if (!may_lose_) queue += std::exchange(lost, 0);

    std::int64_t lost_bytes = 0;
    if (entered.known) {
        const std::int64_t packets = signed_of(entered.packets + entered.duplicates);
        const std::int64_t bytes = signed_of(entered.bytes + entered.duplicate_bytes);
        const std::int64_t missing = packets - signed_of(sent.packets) - signed_of(sent.flushed);
        if (empty_ && missing >= queue + lost) {
            if (may_lose_) {
                lost = missing - queue;
            } else {
                queue = missing;
            }
            lost_bytes = share(bytes - sent_bytes, lost, missing + signed_of(sent.flushed));
        } else {
            lost_bytes = share(bytes, lost, packets);
        }
        last_arrival_ = std::max(last_arrival_, entered.last_arrival);
    } else {
        lost_bytes = share(sent_bytes, lost, signed_of(sent.packets));
        const std::uint64_t seen =
            sent.packets + sent.held_packets + sent.queue_drops + sent.netem_drops;
        if (std::exchange(seen_, seen) != seen) last_arrival_ = now;
    }
    FlowCounters& counters = *counters_;
    raise(counters.bytes, sent_bytes + lost_bytes - signed_of(entered.duplicate_bytes));
    raise(counters.packets, signed_of(sent.packets) + lost - signed_of(entered.duplicates));
    raise(counters.queue_drops, queue);
    raise(counters.loss_drops, lost);
    raise(counters.unreachable_drops, signed_of(entered.unreachable_drops + sent.flushed));
    counters.queued_bytes =
        std::int64_t{sent.waiting_bytes} + overhead * std::int64_t{sent.waiting_packets};
    counters.last_arrival_ns = count(last_arrival_);
    if (sent.waiting_packets == 0) {
        end_wait(now);
    } else if (counters.waiting_since_ns == 0) {
        counters.waiting_since_ns = count(now);
    }
}

void FlowAccount::stop(Instant now) {
    empty_ = true;
    counters_->queued_bytes = 0;
    end_wait(now);
}

void FlowAccount::end_wait(Instant now) {
    const std::int64_t since = counters_->waiting_since_ns.exchange(0);
    if (since == 0) return;
    counters_->waited_ns += std::max<std::int64_t>(count(now) - since, 0);
}

bool FlowAccount::quiet(Instant now) const {
    return empty_ && now - last_arrival_ > kQuiet;
}

}  // namespace pleat
