/* What may happen to a packet on its way beside waiting: it is lost, doubled, broken, overtakes. */
#pragma once

#include <bpf/bpf_endian.h>
#include <linux/in.h>
#include <stddef.h>

#include "bpf/edt/draws.h"
#include "bpf/edt/packet.h"
#include "bpf/edt/place.h"

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
