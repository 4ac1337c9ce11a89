/* The path's clock: when a packet has left, whether the queue has room for it, and so what becomes
 * of it. Under the source's lock. */
#pragma once

#include "bpf/edt/impairments.h"
#include "bpf/edt/place.h"

#define RATIO_SHIFT 16
#define RATIO_MAX (1ULL << 28)

INLINE __u64 at_most(__u64 value, __u64 limit) {
    return value < limit ? value : limit;
}

/* What waits on the path: the time that its bytes take at the rate of now. Packets keep the
 * times that they were given, so when the rate becomes higher there is more time in the
 * path than bytes. */
INLINE __u64 waiting_time(struct path_state* state, __u64 now, __u64 rate) {
    const __u64 clock = state->clock;
    if (clock <= now) {
        state->rate = rate;
        state->mixed_until = 0;
        return 0;
    }
    const __u64 backlog = at_most(clock - now, 1ULL << 50); /* an hour */
    const __u64 mixed = state->mixed_until > now ? at_most(state->mixed_until - now, backlog) : 0;
    __u64 waiting = backlog - mixed + (mixed >> RATIO_SHIFT) * state->mixed_ratio;
    const __u64 before = state->rate;
    if (before == rate) return waiting;
    __u64 ratio = 0;
    if (before != 0 && rate != 0) {
        /* Neither is above 2^53 (1 bit/s): so that nothing overflows. */
        const __u64 slower = ((rate >> 6) << RATIO_SHIFT) / ((before >> 6) + 1);
        const __u64 average = waiting / ((backlog >> RATIO_SHIFT) + 1);
        ratio = (at_most(slower, RATIO_MAX) * at_most(average, RATIO_MAX)) >> RATIO_SHIFT;
        ratio = at_most(ratio, RATIO_MAX);
    }
    state->rate = rate;
    state->mixed_until = clock;
    state->mixed_ratio = ratio;
    return (backlog >> RATIO_SHIFT) * ratio;
}

/* Under the source's lock: what becomes of the packet. */
INLINE void decide(const struct place* at, const struct packet* packet, __u64 now, int gso,
                   struct outcome* outcome) {
    const struct edt_path* path = at->path;
    struct path_state* state = at->state;
    struct edt_counters* counters = at->counters;
    outcome->fate = FATE_UNREACHABLE;
    if (!at->reachable) return;

    /* Fate and jitter, whether the packet finds room or not. */
    __u32 place = protocol_place(packet->protocol);
    FORGET(place, at->zero);
    place &= 7;
    const __u64 count = state->counts[place];
    state->counts[place] = count + packet->segments;
    __u64 delay = path->delay_ns;
    __u32 lost = 0;
    const __u32 chances = path->loss | path->duplicate | path->corrupt | path->reorder |
                          (path->flags & EDT_BURST_LOSS);
    if (chances | path->jitter_ns) {
        const __u64 key = draw_key(at->control->seed_key, at->source->host, packet->destination,
                                   packet->protocol);
        if (chances) lost = draw_fate(at, key, place, count, outcome);
        if (path->jitter_ns) {
            const __s64 with =
                (__s64)delay + draw_jitter(key, count, path->jitter_ns, path->distribution);
            delay = with > 0 ? with : 0;
        }
    }
    delay -= at_most(at->early, delay);
    FORGET(lost, at->zero);
    FORGET(delay, at->zero);
    FORGET(outcome->duplicate, at->zero);
    FORGET(outcome->corrupt, at->zero);
    FORGET(outcome->reorder, at->zero);
    FORGET(outcome->noise, at->zero);
    /* Nothing can break one of its segments so that it stays broken. */
    if (gso && outcome->corrupt) lost = 1;

    /* The path's clock, and whether the queue has room: for what waits before this packet and,
     * of one that stands for many, for all but the first. On an idle path it begins at once. */
    const __u64 rate = path->time_per_byte > at->cap ? path->time_per_byte : at->cap;
    const __u64 bytes = packet->ip_bytes + packet->segments * path->overhead;
    /* Rounded up: a packet has not left until its last bit has. */
    const __u64 time = edt_ticks(bytes, rate, EDT_ROUND_UP);
    const __u64 now_ticks = now << EDT_TICK_SHIFT;
    const __u64 clock = state->clock;
    const __u64 departed = clock + ((__u64)state->departed_ns << EDT_TICK_SHIFT);
    __u64 slowest = rate;
    if (at->uplink_rate > slowest) slowest = at->uplink_rate;
    __u64 waiting = waiting_time(state, now_ticks, slowest);
    FORGET(waiting, at->zero);
    if (waiting != 0 && slowest != 0) {
        if (packet->segments > 1) waiting += time - time / packet->segments;
        /* 4 MiB at 2 kbit/s and less is 5 hours: no need to overflow. */
        __u64 queue = path->queue_bytes;
        if (slowest >> (EDT_TIME_PER_BYTE_SHIFT + 22) && queue > (1U << 22)) queue = 1U << 22;
        if (waiting > edt_ticks(queue, slowest, 0)) {
            outcome->fate = FATE_QUEUE_FULL;
            return;
        }
    }
    const __u64 finish = (clock > now_ticks ? clock : now_ticks) + time;
    const __u64 ready = finish > departed ? finish : departed;
    __u64 leaves = ready;
    __u64 next = finish;
    if (at->uplink_rate != 0) {
        struct edt_calendar* calendar = at->calendar;
        if (calendar->time_per_byte != at->uplink_rate) {
            edt_calendar_reshape(calendar, at->uplink_rate);
        }
        const __u64 link_time = edt_ticks(packet->ip_bytes + packet->segments * at->uplink_overhead,
                                          at->uplink_rate, 0);
        leaves = edt_calendar_book(calendar, now_ticks, ready, link_time);
        if (leaves == 0) {
            outcome->fate = FATE_QUEUE_FULL;
            return;
        }
        const __u64 credit = edt_calendar_credit(calendar) << EDT_TICK_SHIFT;
        if (leaves - next > credit) next = leaves - credit;
    }
    const __u64 departure = (leaves + (1U << EDT_TICK_SHIFT) - 1) >> EDT_TICK_SHIFT;
    if (departure + delay - now > EDT_HORIZON_NS) {
        outcome->fate = FATE_QUEUE_FULL;
        return;
    }
    state->clock = next;
    state->departed_ns = (__u32)((leaves - next + (1U << EDT_TICK_SHIFT) - 1) >> EDT_TICK_SHIFT);

    /* What it has waited behind others of its path: the time that is not counted yet. */
    const __u64 waits_until = counters->next_free_ns;
    const __u64 counted = counters->waited_until_ns;
    const __u64 waits_from = now > counted ? now : counted;
    if (waits_until > waits_from) {
        counters->waited_ns += waits_until - waits_from;
        counters->waited_until_ns = waits_until;
    }
    counters->bytes += bytes;
    counters->packets += packet->segments;
    counters->next_free_ns = departure;
    counters->time_per_byte = rate;

    outcome->fate = FATE_LOST;
    if (lost) return;
    outcome->fate = FATE_DELIVERED;
    outcome->delivery = departure;
    if (outcome->reorder) return; /* it overtakes: no delay, and no place in the order */
    outcome->delivery += delay;
    if (outcome->delivery < state->last_delivery) outcome->delivery = state->last_delivery;
    state->last_delivery = outcome->delivery;
}
