/* What the `edt` plane's program (C, in the kernel) and its user space (C++) share.
 *
 * A path is (source, destination): the source is the place of its host among the hosts of
 * this machine and comes as the classid of the filter that an interface has, EDT_CLASSID(source);
 * the destination is the host's id, looked up by address. Its place in the arrays is
 *     source * control.destinations + destination
 *
 * (1) Every rate is a time per byte, so that "unlimited" is no special case: 0.
 * (2) Paths and uplinks have one row in each of EDT_SLOTS epoch buffers ("slots"): row i of
 *     slot s is at s * count + i. The program uses the slot with the latest begins_at that is
 *     not in the future: storing begins_at is what puts an epoch in force, at that instant,
 *     on all processors. A slot is filled while its begins_at is EDT_NEVER.
 * (3) User space alone writes control, paths, uplinks, caps and early; the program alone writes
 *     counters and totals. All of them are mapped into user space.
 * (4) Times are nanoseconds of CLOCK_MONOTONIC, the clock of sch_fq's skb->tstamp.
 * (5) An uplink belongs to one source, in all epochs: one lock a source guards its clocks.
 * (6) What goes to a destination is given on early[destination] ns before it is due: as long as the
 *     way to its machine takes.
 */
#pragma once

#include <linux/types.h>

#define EDT_SLOTS 4
#define EDT_NEVER (~0ULL)
#define EDT_BLOCKED (~0ULL)        /* as a cap: nothing passes (the host is cut off) */
#define EDT_TIME_PER_BYTE_SHIFT 20 /* ns * 2^20 */
#define EDT_ALWAYS 0xffffffffU     /* as a chance: certain. Others: probability * 2^32 */
#define EDT_NO_UPLINK 0xffffffffU
#define EDT_NO_DESTINATION 0xffffffffU
#define EDT_PROTOCOLS 5         /* TCP, UDP, ICMP, ICMPv6, all others */
#define EDT_SOURCES_MAX 0xffffU /* a classid has 16 bits, and 0 is a filter without one */
#define EDT_CLASSID(source) ((source) + 1)

enum edt_distribution { EDT_NORMAL, EDT_UNIFORM, EDT_PARETO, EDT_DISTRIBUTIONS };

enum edt_path_flags {
    EDT_REACHABLE = 1, /* without it everything is dropped */
    EDT_BURST_LOSS = 2,
};

/* Clocks count 1/256 ns: a full-size packet takes 121.12 ns at 100 Gbps. */
#define EDT_TICK_SHIFT 8

/* What would be delivered later than so far ahead is a queue drop: fq would drop it uncounted. It
 * is fq's largest horizon, 2^32 - 1 us. */
#define EDT_HORIZON_NS 4294967295000ULL

/* Quantiles of the distributions of jitter, at i / EDT_JITTER_STEPS, in units of
 * jitter_ns / 2^EDT_JITTER_SHIFT; between them it is linear. */
#define EDT_JITTER_STEPS 4096
#define EDT_JITTER_STEPS_SHIFT 12
#define EDT_JITTER_SHIFT 26

/* What is fixed when the program is loaded. */
struct edt_constants {
    __u64 copy_key;   /* by which the program knows a duplicate that it made; secret */
    __u32 fake_clock; /* in tests: the time is control.fake_now_ns */
    __u32 attached;   /* the interfaces are machines' own: see bpf/edt/bare_metal.h */
    __s32 jitter[EDT_DISTRIBUTIONS][EDT_JITTER_STEPS + 1];
};

/* One path in one epoch. */
struct edt_path {
    __u64 time_per_byte;
    __u64 delay_ns;
    __u32 jitter_ns;   /* half width (uniform), else standard deviation */
    __u32 queue_bytes; /* waiting bytes beyond this are dropped at the tail */
    __u32 loss;
    __u32 duplicate;
    __u32 corrupt;
    __u32 reorder;
    __u32 burst_p; /* Gilbert-Elliott: good -> bad, bad -> good, passes when bad, when good */
    __u32 burst_r;
    __u32 burst_h;
    __u32 burst_k;
    __u32 uplink;   /* EDT_NO_UPLINK: none */
    __u16 overhead; /* bytes that each packet counts beside its IP packet */
    __u8 distribution;
    __u8 flags;
};

/* A host's first link in one epoch: its own clock, for all its paths. */
struct edt_uplink {
    __u64 time_per_byte;
    __u16 overhead;
    __u16 pad[3];
};

/* What a path has done; `bytes` and `packets` are what passed the tail drop, before loss.
 * A GSO packet counts as the segments that it stands for. */
struct edt_counters {
    __u64 bytes;
    __u64 packets;
    __u64 queue_drops;
    __u64 loss_drops;
    __u64 unreachable_drops;
    __u64 last_arrival_ns; /* 0: never */
    __u64 next_free_ns;    /* when the path's clock has sent all that it has accepted */
    __u64 time_per_byte;   /* at which the latest packet was sent */
    __u64 waited_ns;       /* time in which a packet waits behind another, up to: */
    __u64 waited_until_ns; /* may be in the future */
};

/* Of the whole plane, on one processor: one row for each possible one. */
struct edt_totals {
    __u64 packets_in;
    __u64 packets_out; /* given to fq */
    __u64 bytes_out;
    __u64 queue_drops;
    __u64 loss_drops;
    __u64 unreachable_drops;
    __u64 unknown_destination; /* also broadcast and multicast that is not ARP or ND */
    __u64 malformed_drops;
    __u64 clone_failures; /* the kernel had no memory for the second pass */
    __u64 event_losses;   /* the ring buffer was full */
    __u64 pad[6];         /* no two rows in one cache line */
};

struct edt_control {
    __u64 begins_at_ns[EDT_SLOTS];
    __u64 seed_key;    /* of model/draw: mixed(seed + golden ratio) */
    __u64 idle_ns;     /* silence after which a path's next packet is an event */
    __u64 fake_now_ns; /* in tests only, by a load-time constant */
    __u32 destinations;
    __u32 paths; /* sources * destinations */
    __u32 uplinks;
    __u32 zero;         /* stays 0: what the verifier can't know */
    __u32 pass_unknown; /* what goes to no host: 1 passes unshaped, 0 is dropped; both counted */
    /* Single IPv4 addresses outside of the run's range (host byte order) go to this host. */
    __u32 outside; /* EDT_NO_DESTINATION: to none */
    __u32 run_network;
    __u32 run_mask;
    /* Whose table a slot holds, for who takes over; the program does not look. */
    __u32 versions[EDT_SLOTS];
    __u32 epochs[EDT_SLOTS];
};

/* A path's first packet after silence. */
struct edt_event {
    __u64 at_ns;
    __u32 path;
    __u32 pad;
};

#ifdef __cplusplus
#include <type_traits>
static_assert(sizeof(edt_path) == 64 && std::is_trivially_copyable_v<edt_path>);
static_assert(sizeof(edt_uplink) == 16 && sizeof(edt_counters) == 80);
static_assert(sizeof(edt_event) == 16 && sizeof(edt_totals) == 128);
#endif
