#include "node/dataplane/edt/counters.hh"

namespace pleat {

namespace {

constexpr std::int64_t kLongIdleNs = 1'000'000'000;

std::int64_t signed_ns(std::uint64_t ns) {
    return static_cast<std::int64_t>(ns);
}

// Bytes that the clock has not sent at `now`; rounded up, for a byte under way is not sent.
std::uint64_t queued(const edt_counters& path, std::int64_t now_ns) {
    const std::int64_t left = signed_ns(path.next_free_ns) - now_ns;
    if (left <= 0 || path.time_per_byte == 0) return 0;
    const Int128 time = static_cast<Int128>(left) << EDT_TIME_PER_BYTE_SHIFT;
    const Int128 bytes = (time + path.time_per_byte - 1) / path.time_per_byte;
    return static_cast<std::uint64_t>(std::min<Int128>(bytes, path.bytes));
}

// Of the accepted packets, those that the queued bytes are a part of.
std::uint64_t queued_packets(const edt_counters& path, std::uint64_t queued_bytes) {
    if (queued_bytes == 0 || path.bytes == 0) return 0;
    const Int128 share = static_cast<Int128>(queued_bytes) * path.packets;
    return static_cast<std::uint64_t>((share + path.bytes - 1) / path.bytes);
}

void raise(std::atomic<std::uint64_t>& counter, std::uint64_t to) {
    if (to > counter.load(std::memory_order_relaxed)) {
        counter.store(to, std::memory_order_relaxed);
    }
}

}  // namespace

void bring_up_to_date(FlowCounters& flow, const edt_counters& path, Instant now) {
    const std::int64_t now_ns = now.time_since_epoch().count();
    const std::uint64_t waiting_bytes = queued(path, now_ns);
    raise(flow.bytes, path.bytes - waiting_bytes);
    raise(flow.packets, path.packets - queued_packets(path, waiting_bytes));
    raise(flow.queue_drops, path.queue_drops);
    raise(flow.loss_drops, path.loss_drops);
    raise(flow.unreachable_drops, path.unreachable_drops);
    flow.queued_bytes.store(static_cast<std::int64_t>(waiting_bytes), std::memory_order_relaxed);

    // The program adds a packet's whole waiting when it enters; what lies ahead is not past.
    const std::int64_t ahead = std::max<std::int64_t>(0, signed_ns(path.waited_until_ns) - now_ns);
    flow.waited_ns.store(signed_ns(path.waited_ns) - ahead, std::memory_order_relaxed);
    flow.waiting_since_ns.store(ahead > 0 ? now_ns : 0, std::memory_order_relaxed);
    flow.last_arrival_ns.store(signed_ns(path.last_arrival_ns), std::memory_order_relaxed);
}

bool long_idle(const edt_counters& path, Instant now) {
    const std::int64_t now_ns = now.time_since_epoch().count();
    return signed_ns(path.last_arrival_ns) + kLongIdleNs < now_ns &&
           signed_ns(path.next_free_ns) <= now_ns && signed_ns(path.waited_until_ns) <= now_ns;
}

}  // namespace pleat
