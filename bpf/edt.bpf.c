/* The `edt` plane in the kernel: decides for every packet that leaves a host when it has
 * arrived at its destination, and leaves it to sch_fq to hold it until then.
 *
 *     host's socket --1--> clone --2--> fq (until skb->tstamp) --> interface
 *                                 \--3--> fq                       (a duplicate)
 *
 * (1) What belongs to a socket is cloned to the same interface, and the original ends: a
 *     packet that fq holds would count against its socket (TCP small queues). The clone has
 *     no socket; that is how the second pass is known. Nothing is marked.
 * (2) Everything is decided here: under the source's lock, which guards the clocks and counts
 *     of all its paths and uplinks. fq behind it is one queue an interface anyway.
 * (3) A duplicate is a clone of the clone, known by a secret in its cb.
 *
 * What is dropped in (2) has no socket, so no sender is told. No helper here needs a JIT or
 * the kernel's BTF, and none is newer than 5.15; no helper may be called under a lock.
 * Each kernel calls the program with bottom halves off; under a lock interrupts are off, so
 * that what a processor counts there needs no atomic instruction.
 */
#include "bpf/shared/edt.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stddef.h>

#include "bpf/shared/uplink_calendar.h"

#define INLINE static __always_inline

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
MAP(counters, BPF_MAP_TYPE_ARRAY, __u32, struct edt_counters, MAPPED);
MAP(totals, BPF_MAP_TYPE_ARRAY, __u32, struct edt_totals, MAPPED);
MAP(states, BPF_MAP_TYPE_ARRAY, __u32, struct path_state);
MAP(calendars, BPF_MAP_TYPE_ARRAY, __u32, struct edt_calendar);
MAP(sources, BPF_MAP_TYPE_ARRAY, __u32, struct source);
MAP(addresses4, BPF_MAP_TYPE_HASH, __be32, __u32);
MAP(addresses6, BPF_MAP_TYPE_HASH, struct ipv6_key, __u32);

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} events SEC(".maps");

const volatile struct edt_constants constants = {};

/* The only place where time is read. */
INLINE __u64 time_now(const struct edt_control* ctl) {
    return constants.fake_clock ? ctl->fake_now_ns : bpf_ktime_get_ns();
}

INLINE void* element(void* map, __u32 index) {
    return bpf_map_lookup_elem(map, &index);
}

/* The kernel's verifier follows every way through the program with all that it knows on it,
 * and joins two ways where it knows the same: what need not be known is made unknown, by a
 * number that is always 0. */
#define FORGET(value, zero)                                       \
    do {                                                          \
        __u64 known_ = (value);                                   \
        const __u64 zero_ = (zero);                               \
        __asm__ volatile("%0 ^= %1" : "+r"(known_) : "r"(zero_)); \
        (value) = known_;                                         \
    } while (0)

/* Outside of a lock; `to` is a row of this processor's. */
#define COUNT(to, n) __sync_fetch_and_add(&(to), (n))

/* ---- draws: the same as model/draw.cc, bit for bit ---- */

#define GOLDEN 0x9e3779b97f4a7c15ULL

enum draw_purpose {
    DRAW_LOSS,
    DRAW_BURST_STATE,
    DRAW_BURST_LOSS,
    DRAW_DUPLICATE,
    DRAW_CORRUPT,
    DRAW_CORRUPT_PLACE,
    DRAW_REORDER,
    DRAW_JITTER,
};

INLINE __u64 mixed(__u64 x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

INLINE __u64 draw_key(__u64 seed_key, __u32 source, __u32 destination, __u32 protocol) {
    const __u64 key = mixed(seed_key ^ (((__u64)source << 32) | destination));
    return mixed(key + ((__u64)protocol + 1) * GOLDEN);
}

INLINE __u64 draw_bits(__u64 key, enum draw_purpose purpose, __u64 count) {
    return mixed(mixed(key + ((__u64)purpose + 1) * GOLDEN) + count * GOLDEN);
}

INLINE int below(__u64 bits, __u32 chance) {
    return chance == EDT_ALWAYS || (bits >> 32) < chance;
}

INLINE int happens(__u64 key, enum draw_purpose purpose, __u64 count, __u32 chance) {
    return chance != 0 && below(draw_bits(key, purpose, count), chance);
}

/* By how many ns the packet is later than the delay says; negative: earlier. */
INLINE __s64 draw_jitter(__u64 key, __u64 count, __u32 jitter_ns, __u32 distribution) {
    const __u64 bits = draw_bits(key, DRAW_JITTER, count) >> 32;
    const __u32 step = (bits >> (32 - EDT_JITTER_STEPS_SHIFT)) & (EDT_JITTER_STEPS - 1);
    const __s64 part = bits & ((1U << (32 - EDT_JITTER_STEPS_SHIFT)) - 1);
    if (distribution >= EDT_DISTRIBUTIONS) return 0;
    const __s64 from = constants.jitter[distribution][step];
    const __s64 to = constants.jitter[distribution][step + 1];
    const __s64 at = from + (((to - from) * part) >> (32 - EDT_JITTER_STEPS_SHIFT));
    return (at * (__s64)jitter_ns) >> EDT_JITTER_SHIFT;
}

/* ---- packets ---- */

struct packet {
    __u32 ip_bytes; /* of all segments that it stands for */
    __u32 segments;
    __u32 begin;  /* of the IP header, in bytes */
    __u32 header; /* bytes of it */
    __u32 destination;
    __u32 protocol;
    __u32 version;
    __u32 fragment;
};

enum parsed { PARSED, PASSES, UNKNOWN, MALFORMED };

/* Where the kernel has not counted the segments (a packet of a virtual machine), they are
 * as many as make up its length on the wire. */
INLINE __u32 count_segments(struct __sk_buff* skb, const struct packet* packet) {
    __u32 header = packet->begin + packet->header;
    if (skb->gso_segs) return skb->gso_segs;
    if (packet->protocol == IPPROTO_TCP) {
        __u8 offset = 0;
        if (bpf_skb_load_bytes(skb, header + 12, &offset, 1)) return 1;
        header += (offset >> 4) * 4;
    } else {
        header += 8;
    }
    const __u32 more = skb->wire_len - skb->len;
    return skb->wire_len > skb->len ? 1 + more / header : 1;
}

#define FIRST_MULTICAST 0xe0000000U

/* Where a packet to no host goes. */
INLINE __u32 beyond_hosts(const struct edt_control* ctl, __u32 address) {
    if (address >= FIRST_MULTICAST) return EDT_NO_DESTINATION;
    if ((address & ctl->run_mask) == ctl->run_network) return EDT_NO_DESTINATION;
    return ctl->outside;
}

INLINE enum parsed parse4(struct __sk_buff* skb, const struct edt_control* ctl, void* data,
                          void* end, struct packet* packet) {
    const struct iphdr* ip = data + packet->begin;
    if ((void*)(ip + 1) > end) return MALFORMED;
    const __u32 total = bpf_ntohs(ip->tot_len);
    const __u32 room = skb->len - packet->begin;
    packet->version = 4;
    packet->header = ip->ihl * 4;
    packet->protocol = ip->protocol;
    packet->fragment = (ip->frag_off & bpf_htons(0x3fff)) != 0;
    packet->ip_bytes = total;
    if (ip->version != 4 || packet->header < sizeof(*ip) || packet->header > room) return MALFORMED;
    /* One that stands for many may be longer than its header can say. */
    if (!skb->gso_size && (total < packet->header || total > room)) return MALFORMED;
    const __be32 address = ip->daddr;
    const __u32* destination = bpf_map_lookup_elem(&addresses4, &address);
    packet->destination = destination ? *destination : beyond_hosts(ctl, bpf_ntohl(address));
    return packet->destination == EDT_NO_DESTINATION ? UNKNOWN : PARSED;
}

#define ND_FIRST 133 /* router solicitation */
#define ND_LAST 137  /* redirect */

INLINE enum parsed parse6(struct __sk_buff* skb, void* data, void* end, struct packet* packet) {
    const struct ipv6hdr* ip = data + packet->begin;
    if ((void*)(ip + 1) > end) return MALFORMED;
    const __u32 payload = bpf_ntohs(ip->payload_len);
    const __u32 room = skb->len - packet->begin;
    packet->version = 6;
    packet->header = sizeof(*ip);
    packet->protocol = ip->nexthdr;
    packet->fragment = ip->nexthdr == IPPROTO_FRAGMENT;
    packet->ip_bytes = sizeof(*ip) + payload;
    if (ip->version != 6) return MALFORMED;
    /* A jumbogram says its length elsewhere. */
    if (payload == 0 && ip->nexthdr == IPPROTO_HOPOPTS) packet->ip_bytes = room;
    if (!skb->gso_size && packet->ip_bytes > room) return MALFORMED;
    if (ip->nexthdr == IPPROTO_ICMPV6) {
        const __u8* type = (const __u8*)(ip + 1);
        if ((void*)(type + 1) > end) return MALFORMED;
        if (*type >= ND_FIRST && *type <= ND_LAST) return PASSES;
    }
    struct ipv6_key address;
    __builtin_memcpy(&address, &ip->daddr, sizeof(address));
    const __u32* destination = bpf_map_lookup_elem(&addresses6, &address);
    if (!destination) return UNKNOWN;
    packet->destination = *destination;
    return PARSED;
}

#define VLAN_BYTES 4
#define LONGEST_HEADERS (ETH_HLEN + 2 * VLAN_BYTES + sizeof(struct ipv6hdr) + 1)

/* Tags of VLANs that are still in the data are skipped, at most two. */
INLINE enum parsed parse(struct __sk_buff* skb, const struct edt_control* ctl,
                         struct packet* packet) {
    void* data = (void*)(long)skb->data;
    void* end = (void*)(long)skb->data_end;
    if (data + LONGEST_HEADERS > end && end - data < skb->len) {
        const __u32 wanted = skb->len < LONGEST_HEADERS ? skb->len : LONGEST_HEADERS;
        if (bpf_skb_pull_data(skb, wanted)) return MALFORMED;
        data = (void*)(long)skb->data;
        end = (void*)(long)skb->data_end;
    }
    if (data + ETH_HLEN > end) return MALFORMED;
    __be16 type = ((const struct ethhdr*)data)->h_proto;
    packet->begin = ETH_HLEN;
    if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD)) {
        if (data + ETH_HLEN + VLAN_BYTES > end) return MALFORMED;
        type = *(__be16*)(data + ETH_HLEN + 2);
        packet->begin += VLAN_BYTES;
        if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD)) {
            if (data + ETH_HLEN + 2 * VLAN_BYTES > end) return MALFORMED;
            type = *(__be16*)(data + ETH_HLEN + VLAN_BYTES + 2);
            packet->begin += VLAN_BYTES;
        }
    }
    enum parsed result = UNKNOWN;
    if (type == bpf_htons(ETH_P_IP)) {
        result = parse4(skb, ctl, data, end, packet);
    } else if (type == bpf_htons(ETH_P_IPV6)) {
        result = parse6(skb, data, end, packet);
    } else if (type == bpf_htons(ETH_P_ARP)) {
        result = PASSES;
    }
    packet->segments = 1;
    if (result != PARSED || !skb->gso_size) return result;
    packet->segments = count_segments(skb, packet);
    packet->ip_bytes = skb->wire_len - packet->segments * packet->begin;
    if (packet->ip_bytes > skb->wire_len || packet->ip_bytes == 0) return MALFORMED;
    return PARSED;
}

/* One bit behind the IP header is flipped: the receiver's stack notices by its checksum, as
 * on a real link. Between interfaces that leave checksums to the hardware (veth) nobody
 * computes them, so for the protocols for which that is done the IP header is broken, too. */
INLINE void corrupt(struct __sk_buff* skb, const struct packet* packet, __u32 noise) {
    __u32 where = packet->begin + packet->header;
    const __u32 payload = packet->ip_bytes - packet->header;
    if (packet->ip_bytes <= packet->header) return;
    int left_to_hardware = packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_SCTP;
    if (packet->protocol == IPPROTO_UDP) {
        __u16 checksum = 0;
        bpf_skb_load_bytes(skb, where + 6, &checksum, sizeof(checksum));
        left_to_hardware = checksum != 0;
    }
    const __u32 bit = noise % (payload * 8);
    where += bit / 8;
    __u8 byte = 0;
    if (bpf_skb_load_bytes(skb, where, &byte, 1)) return;
    byte ^= 1U << (bit & 7);
    bpf_skb_store_bytes(skb, where, &byte, 1, 0);
    if (!left_to_hardware || packet->fragment) return;
    if (packet->version == 4) {
        const __u32 check = packet->begin + offsetof(struct iphdr, check);
        if (bpf_skb_load_bytes(skb, check, &byte, 1)) return;
        byte ^= 1;
        bpf_skb_store_bytes(skb, check, &byte, 1, 0);
    } else {
        const __u16 too_long = 0xffff;
        bpf_skb_store_bytes(skb, packet->begin + offsetof(struct ipv6hdr, payload_len), &too_long,
                            sizeof(too_long), 0);
    }
}

/* ---- the path ---- */

enum fate { FATE_DELIVERED, FATE_LOST, FATE_QUEUE_FULL, FATE_UNREACHABLE };

struct outcome {
    enum fate fate;
    __u32 duplicate;
    __u32 corrupt;
    __u32 reorder;
    __u32 noise;
    __u64 delivery;
};

INLINE __u32 protocol_place(__u32 protocol) {
    switch (protocol) {
        case IPPROTO_TCP:
            return 0;
        case IPPROTO_UDP:
            return 1;
        case IPPROTO_ICMP:
            return 2;
        case IPPROTO_ICMPV6:
            return 3;
        default:
            return 4;
    }
}

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
    __u64 uplink_rate; /* a time per byte */
    __u32 uplink_overhead;
    __u32 index;
    __u32 reachable;
    __u32 zero;
};

/* Whether the path's packet of this count gets lost, and all that else may happen to it. A
 * packet that stands for many has one fate, that of the first. */
INLINE __u32 draw_fate(const struct place* at, __u64 key, __u32 place, __u64 count,
                       struct outcome* outcome) {
    const struct edt_path* path = at->path;
    __u32 lost = happens(key, DRAW_LOSS, count, path->loss);
    FORGET(lost, at->zero);
    if (path->flags & EDT_BURST_LOSS) {
        const __u32 mask = 1U << (place & 7);
        __u32 change = path->burst_p;
        __u32 passes = path->burst_k;
        __u32 state = at->state->bad;
        if (state & mask) change = path->burst_r;
        state ^= happens(key, DRAW_BURST_STATE, count, change) ? mask : 0;
        FORGET(state, at->zero);
        at->state->bad = state;
        if (state & mask) passes = path->burst_h;
        if (!below(draw_bits(key, DRAW_BURST_LOSS, count), passes)) lost = 1;
        FORGET(lost, at->zero);
    }
    if (lost) return 1;
    outcome->duplicate = happens(key, DRAW_DUPLICATE, count, path->duplicate);
    FORGET(outcome->duplicate, at->zero);
    outcome->corrupt = happens(key, DRAW_CORRUPT, count, path->corrupt);
    FORGET(outcome->corrupt, at->zero);
    outcome->reorder = happens(key, DRAW_REORDER, count, path->reorder);
    FORGET(outcome->reorder, at->zero);
    if (outcome->corrupt) outcome->noise = (__u32)draw_bits(key, DRAW_CORRUPT_PLACE, count);
    FORGET(outcome->noise, at->zero);
    return 0;
}

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
    const __u64 departure = (leaves + (1U << EDT_TICK_SHIFT) - 1) >> EDT_TICK_SHIFT;
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

INLINE int look_up(struct place* at, const struct packet* packet, __u32 source, __u64 now) {
    const struct edt_control* ctl = at->control;
    at->source = element(&sources, source);
    if (!at->source || packet->destination >= ctl->destinations) return 0;
    at->index = source * ctl->destinations + packet->destination;
    at->state = element(&states, at->index);
    at->counters = element(&counters, at->index);
    const __u64* cap = element(&caps, at->index);
    if (!at->state || !at->counters || !cap) return 0;
    at->cap = *cap;
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

INLINE int to_fq(struct __sk_buff* skb, __u64 delivery, __u32 flow) {
    skb->tstamp = delivery;
    bpf_set_hash(skb, flow); /* each path is a flow of fq's */
    /* fq would not hold what has TC_PRIO_CONTROL (7): it becomes TC_PRIO_INTERACTIVE (6). */
    if ((skb->priority & 15) == 7) skb->priority ^= 1;
    return TC_ACT_OK;
}

#define OVERTAKES 0x80000000U /* a flow of its own for each path, in fq */

INLINE void send_duplicate(struct __sk_buff* skb, struct edt_totals* totals, __u64 delivery,
                           __u32 flow, const struct packet* packet) {
    skb->cb[0] = (__u32)constants.copy_key;
    skb->cb[1] = (__u32)(constants.copy_key >> 32);
    skb->cb[2] = (__u32)delivery;
    skb->cb[3] = (__u32)(delivery >> 32);
    skb->cb[4] = flow;
    if (bpf_clone_redirect(skb, skb->ifindex, 0) < 0) {
        COUNT(totals->clone_failures, 1);
    } else {
        COUNT(totals->packets_out, packet->segments);
        COUNT(totals->bytes_out, packet->ip_bytes + packet->segments * ETH_HLEN);
    }
    skb->cb[0] = 0;
    skb->cb[1] = 0;
}

INLINE struct edt_totals* totals_here(void) {
    return element(&totals, bpf_get_smp_processor_id());
}

INLINE int second_pass(struct __sk_buff* skb, __u32 classid) {
    struct place at = {};
    at.control = element(&control, 0);
    at.totals = totals_here();
    if (!at.control || !at.totals) return TC_ACT_SHOT;
    at.zero = at.control->zero;
    struct packet packet = {};
    const enum parsed parsed = parse(skb, at.control, &packet);
    FORGET(packet.ip_bytes, at.zero);
    FORGET(packet.segments, at.zero);
    FORGET(packet.begin, at.zero);
    FORGET(packet.header, at.zero);
    FORGET(packet.protocol, at.zero);
    FORGET(packet.version, at.zero);
    FORGET(packet.fragment, at.zero);
    if (parsed == PASSES) return TC_ACT_OK;
    if (parsed != PARSED) {
        COUNT(at.totals->packets_in, 1);
        if (parsed == MALFORMED) {
            COUNT(at.totals->malformed_drops, 1);
            return TC_ACT_SHOT;
        }
        COUNT(at.totals->unknown_destination, 1);
        return at.control->pass_unknown ? TC_ACT_OK : TC_ACT_SHOT;
    }
    const __u64 now = time_now(at.control);
    if (!look_up(&at, &packet, classid - 1, now)) { /* a filter without classid, or no source's */
        COUNT(at.totals->packets_in, packet.segments);
        COUNT(at.totals->unreachable_drops, packet.segments);
        return TC_ACT_SHOT;
    }
    const int gso = skb->gso_size != 0;
    struct outcome outcome = {};

    bpf_spin_lock(&at.source->lock);
    const __u64 before = at.counters->last_arrival_ns;
    const int starts = before == 0 || (__s64)(now - before) >= (__s64)at.control->idle_ns;
    at.counters->last_arrival_ns = now;
    at.totals->packets_in += packet.segments;
    decide(&at, &packet, now, gso, &outcome);
    switch (outcome.fate) {
        case FATE_DELIVERED:
            at.totals->packets_out += packet.segments;
            at.totals->bytes_out += packet.ip_bytes + packet.segments * ETH_HLEN;
            break;
        case FATE_LOST:
            at.counters->loss_drops += packet.segments;
            at.totals->loss_drops += packet.segments;
            break;
        case FATE_QUEUE_FULL:
            at.counters->queue_drops += packet.segments;
            at.totals->queue_drops += packet.segments;
            break;
        case FATE_UNREACHABLE:
            at.counters->unreachable_drops += packet.segments;
            at.totals->unreachable_drops += packet.segments;
            break;
    }
    bpf_spin_unlock(&at.source->lock);

    if (starts) {
        struct edt_event event = {.at_ns = now, .path = at.index};
        if (bpf_ringbuf_output(&events, &event, sizeof(event), 0)) {
            COUNT(at.totals->event_losses, 1);
        }
    }
    if (outcome.fate != FATE_DELIVERED) return TC_ACT_SHOT;
    if (outcome.corrupt) corrupt(skb, &packet, outcome.noise);
    const __u32 flow = outcome.reorder ? at.index | OVERTAKES : at.index;
    if (outcome.duplicate) send_duplicate(skb, at.totals, outcome.delivery, flow, &packet);
    return to_fq(skb, outcome.delivery, flow);
}

INLINE int is_duplicate(const struct __sk_buff* skb) {
    return skb->cb[0] == (__u32)constants.copy_key &&
           skb->cb[1] == (__u32)(constants.copy_key >> 32);
}

SEC("tc")

int edt_egress(struct __sk_buff* skb) {
    if (skb->sk) {
        /* Positive answers are drops by what is behind us: not ours to count. */
        if (bpf_clone_redirect(skb, skb->ifindex, 0) < 0) {
            struct edt_totals* row = totals_here();
            if (row) COUNT(row->clone_failures, 1);
        }
        return TC_ACT_STOLEN;
    }
    if (is_duplicate(skb)) {
        const __u64 delivery = ((__u64)skb->cb[3] << 32) | skb->cb[2];
        skb->cb[0] = 0;
        skb->cb[1] = 0;
        return to_fq(skb, delivery, skb->cb[4]);
    }
    return second_pass(skb, skb->tc_classid);
}

/* At the ingress of a host that is cut off. */
SEC("tc")

int edt_drop_all(struct __sk_buff* skb) {
    struct edt_totals* row = totals_here();
    if (row) COUNT(row->unreachable_drops, skb->gso_segs ? skb->gso_segs : 1);
    return TC_ACT_SHOT;
}

/* In tests: BPF_PROG_TEST_RUN gives every packet a socket, and no classid. */
SEC("tc")

int edt_test_second(struct __sk_buff* skb) {
    const int verdict = second_pass(skb, skb->cb[4]);
    skb->cb[3] = skb->hash;
    return verdict;
}

char program_license[] SEC("license") = "GPL";
