/* Where a packet is: the path that it takes, in the table that is in force. */
#pragma once

#include "bpf/edt/maps.h"
#include "bpf/edt/packet.h"

/* The one whose beginning is the latest that is not in the future; EDT_SLOTS: none. */
INLINE __u32 slot_in_force(const struct edt_control* ctl, __u64 now, __u32 zero) {
    __u32 slot = EDT_SLOTS;
    __u64 latest = 0;
#pragma unroll
    for (__u32 i = 0; i < EDT_SLOTS; ++i) {
        const __u64 begins = ctl->begins_at_ns[i];
        if (begins > now || begins < latest) continue;
        slot = i;
        latest = begins;
        FORGET(slot, zero);
    }
    return slot;
}

/* Everything that the second pass needs to look up. */
struct place {
    struct edt_control* control;
    struct edt_totals* totals;
    struct source* source;
    struct path_state* state;
    struct edt_counters* counters;
    struct edt_path* path;
    struct edt_calendar* calendar; /* not used when uplink_rate is 0 */
    __u64 cap;
    __u64 early;
    __u64 uplink_rate; /* a time per byte */
    __u32 uplink_overhead;
    __u32 index;
    __u32 reachable;
    __u32 zero;
};

INLINE int look_up(struct place* at, const struct packet* packet, __u32 source, __u64 now) {
    const struct edt_control* ctl = at->control;
    at->source = element(&sources, source);
    if (!at->source || packet->destination >= ctl->destinations) return 0;
    at->index = source * ctl->destinations + packet->destination;
    at->state = element(&states, at->index);
    at->counters = element(&counters, at->index);
    const __u64* cap = element(&caps, at->index);
    const __u64* before = element(&early, packet->destination);
    if (!at->state || !at->counters || !cap || !before) return 0;
    at->cap = *cap;
    at->early = *before;
    __u32 slot = slot_in_force(ctl, now, at->zero);
    __u32 in_force = 1;
    if (slot >= EDT_SLOTS) {
        slot = 0;
        in_force = 0;
    }
    FORGET(slot, at->zero);
    FORGET(in_force, at->zero);
    at->path = element(&paths, slot * ctl->paths + at->index);
    if (!at->path) return 0;
    at->reachable = in_force & at->path->flags & EDT_REACHABLE;
    if (at->cap == EDT_BLOCKED) at->reachable = 0;
    FORGET(at->reachable, at->zero);
    __u32 uplink = at->path->uplink;
    __u32 has_uplink = 1;
    if (uplink >= ctl->uplinks) {
        uplink = 0;
        has_uplink = 0;
    }
    FORGET(uplink, at->zero);
    FORGET(has_uplink, at->zero);
    const struct edt_uplink* row = element(&uplinks, slot * ctl->uplinks + uplink);
    at->calendar = element(&calendars, uplink);
    if (!row || !at->calendar) return 0;
    at->uplink_rate = row->time_per_byte * has_uplink;
    at->uplink_overhead = row->overhead;
    return 1;
}
