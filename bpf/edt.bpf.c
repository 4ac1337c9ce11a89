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

#include <linux/pkt_cls.h>

#include "bpf/edt/bare_metal.h"
#include "bpf/edt/clock.h"
#include "bpf/edt/impairments.h"
#include "bpf/edt/packet.h"
#include "bpf/edt/place.h"

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
    if (constants.attached && !is_of_run(skb, offsetof(struct iphdr, daddr))) return TC_ACT_UNSPEC;
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
    if (constants.attached && !is_of_run(skb, offsetof(struct iphdr, saddr))) return TC_ACT_UNSPEC;
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
