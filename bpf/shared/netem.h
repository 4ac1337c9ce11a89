/* What the `netem` plane's classifier (C, in the kernel) and its user space (C++) share.
 *
 * A row is (source, destination): the source is the place of its interface among those of
 * this machine and comes as the classid of the filter that the interface has; it has a map
 * of its own with a row for each destination. The destination is the host's id, looked up by
 * address (IPv4 as ::ffff:a.b.c.d).
 *
 * (1) User space writes a row's first part, the program its counters; both by single stores
 *     (or atomic additions), so that each field is whole.
 * (2) A packet of a row with class 0 is dropped. So is every packet before a table is in force.
 * (3) Drops are not told to the sender, as in a network.
 */
#pragma once

#include <linux/types.h>

#define NETEM_DEFAULT_CLASS 0xfffeffffU /* kDefaultClass of tc_messages.hh */
#define NETEM_SOURCES 65536
#define NETEM_NO_DESTINATION 0xffffffffU

/* What is fixed when the programs are loaded. */
struct netem_constants {
    __u32 fake_time; /* in tests: the time is control.fake_now_ns */
    __u32 attached;  /* the interface is a machine's own: ports of control connections pass */
};

struct netem_row {
    __u32 classid;   /* of the HTB; the packet's priority chooses it */
    __u32 duplicate; /* chance of 2^32 */
    __s32 overhead;  /* bytes that each segment counts beside its layer-2 length */
    __u32 pad;
    /* What has entered: before netem's loss and the queue. GSO packets as their segments. */
    __u64 bytes;
    __u64 packets;
    __u64 unreachable_drops;
    __u64 last_arrival_ns; /* CLOCK_MONOTONIC; 0: never */
    /* That we made; they are in no other count. */
    __u64 duplicates;
    __u64 duplicate_bytes;
};

/* Of the whole plane. */
struct netem_totals {
    __u64 packets_in;
    __u64 unreachable_drops;
    __u64 unknown_destination; /* also broadcast and multicast, but ARP, ND and its MLD */
    __u64 malformed_drops;
    __u64 event_losses; /* the ring buffer was full */
};

struct netem_control {
    __u64 idle_ns;     /* silence after which a row's next packet is an event */
    __u64 fake_now_ns; /* in tests only, by a load-time constant */
    __u32 outside;     /* where IPv4 packets beyond the run's range go: a destination */
    __u32 run_network; /* the range; host byte order */
    __u32 run_mask;
    __u32 pass_unknown; /* 1: passes unshaped, 0: is dropped; both are counted */
};

/* A row's first packet after silence. */
struct netem_event {
    __u64 at_ns;
    __u32 source;
    __u32 destination;
};

#ifdef __cplusplus
#include <type_traits>
static_assert(sizeof(netem_row) == 64 && std::is_trivially_copyable_v<netem_row>);
static_assert(sizeof(netem_event) == 16);
#endif
