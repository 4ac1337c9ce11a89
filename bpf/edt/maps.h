/* The maps of the edt plane's program, and what user space does not see of them. */
#pragma once

#include "bpf/edt/program.h"
#include "bpf/shared/edt.h"
#include "bpf/shared/uplink_calendar.h"

/* What user space does not see of a path. */
struct path_state {
    __u64 counts[EDT_PROTOCOLS]; /* first, so that any 3 bits of index lie within the whole */
    __u64 clock;                 /* in ticks; when it may begin to send the next packet */
    __u64 last_delivery;         /* ns */
    __u32 departed_ns;           /* the latest packet left by so much later than `clock` says */
    __u32 bad;                   /* the states of burst loss, a bit a protocol */
    __u64 rate;                  /* of the latest packet, as a time per byte */
    __u64 mixed_until;           /* what waits until then was given its time at other rates: */
    __u64 mixed_ratio;           /* its bytes take this much of it at `rate`, in 1/2^16 */
};

struct source {
    struct bpf_spin_lock lock;
    __u32 host;
};

struct ipv6_key {
    __u8 address[16];
};

/* User space sets max_entries where it is 1. */
#define MAP(map_name, map_type, key_type, value_type, ...) \
    struct {                                               \
        __uint(type, map_type);                            \
        __uint(max_entries, 1);                            \
        __type(key, key_type);                             \
        __type(value, value_type);                         \
        __VA_ARGS__                                        \
    } map_name SEC(".maps")
#define MAPPED __uint(map_flags, BPF_F_MMAPABLE);

MAP(control, BPF_MAP_TYPE_ARRAY, __u32, struct edt_control, MAPPED);
MAP(paths, BPF_MAP_TYPE_ARRAY, __u32, struct edt_path, MAPPED);
MAP(uplinks, BPF_MAP_TYPE_ARRAY, __u32, struct edt_uplink, MAPPED);
MAP(caps, BPF_MAP_TYPE_ARRAY, __u32, __u64, MAPPED);
MAP(early, BPF_MAP_TYPE_ARRAY, __u32, __u64, MAPPED);
MAP(counters, BPF_MAP_TYPE_ARRAY, __u32, struct edt_counters, MAPPED);
MAP(totals, BPF_MAP_TYPE_ARRAY, __u32, struct edt_totals, MAPPED);
MAP(states, BPF_MAP_TYPE_ARRAY, __u32, struct path_state);
MAP(calendars, BPF_MAP_TYPE_ARRAY, __u32, struct edt_calendar);
MAP(sources, BPF_MAP_TYPE_ARRAY, __u32, struct source);
MAP(addresses4, BPF_MAP_TYPE_HASH, __be32, __u32);
MAP(addresses6, BPF_MAP_TYPE_HASH, struct ipv6_key, __u32);
MAP(spared_ports, BPF_MAP_TYPE_HASH, __be16, __u8); /* of TCP and UDP */

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} events SEC(".maps");

const volatile struct edt_constants constants = {};

/* The only place where time is read. */
INLINE __u64 time_now(const struct edt_control* ctl) {
    return constants.fake_clock ? ctl->fake_now_ns : bpf_ktime_get_ns();
}
