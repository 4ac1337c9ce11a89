/* The classifier of the `netem` plane, at the egress of each host's interface: counts what
 * enters a path, reports a path's first packet after silence, and chooses the packet's HTB
 * class by its priority. What it drops is not told to the sender.
 */
#include "bpf/shared/netem.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/icmpv6.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stddef.h>

#define VLAN_HEADER 4

const volatile struct netem_constants constants = {};

struct address {
    __u32 words[4];
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct address);
    __type(value, __u32);
} destinations SEC(".maps");

struct rows {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(key_size, sizeof(__u32));
    __uint(value_size, sizeof(struct netem_row)); /* BTF has no types of inner maps */
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
    __uint(max_entries, NETEM_SOURCES);
    __type(key, __u32);
    __array(values, struct rows);
} sources SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct netem_control);
} control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __uint(map_flags, BPF_F_MMAPABLE);
    __type(key, __u32);
    __type(value, struct netem_totals);
} totals SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 18);
} events SEC(".maps");

#define count(field, n) __sync_fetch_and_add(&(field), n)

static __always_inline __u64 now_ns(const struct netem_control* ctl) {
    return constants.fake_time ? ctl->fake_now_ns : bpf_ktime_get_ns();
}

static __always_inline int drop(void) {
    return TC_ACT_STOLEN;
}

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, __be16);
    __type(value, __u8);
} spared_ports SEC(".maps");

/* On a machine's own interface others' filters have their turn, too. */
static __always_inline int pass_unshaped(struct __sk_buff* skb) {
    skb->priority = NETEM_DEFAULT_CLASS;
    return constants.attached ? TC_ACT_UNSPEC : TC_ACT_OK;
}

/* Of the machine's own control connections. */
static __always_inline int is_spared(struct __sk_buff* skb, int offset) {
    __u8 first = 0, protocol = 0;
    __be16 fragment = 0, ports[2] = {};

    if (bpf_skb_load_bytes(skb, offset, &first, 1) ||
        bpf_skb_load_bytes(skb, offset + offsetof(struct iphdr, protocol), &protocol, 1))
        return 0;
    if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) return 0;
    /* Only a datagram's first piece has the ports. */
    if (bpf_skb_load_bytes(skb, offset + offsetof(struct iphdr, frag_off), &fragment,
                           sizeof(fragment)) ||
        fragment & bpf_htons(0x1fff))
        return 0;
    if (bpf_skb_load_bytes(skb, offset + (first & 15) * 4, ports, sizeof(ports))) return 0;
    return bpf_map_lookup_elem(&spared_ports, &ports[0]) ||
           bpf_map_lookup_elem(&spared_ports, &ports[1]);
}

static __always_inline int unknown(struct __sk_buff* skb, const struct netem_control* ctl,
                                   struct netem_totals* sum) {
    count(sum->unknown_destination, 1);
    return ctl->pass_unknown ? pass_unshaped(skb) : drop();
}

/* Where the network header is, and what it is; behind at most two VLAN tags. Negative: it
 * ends before. */
static __always_inline int network_header(struct __sk_buff* skb, __u16* protocol) {
    int offset = ETH_HLEN;

    if (bpf_skb_load_bytes(skb, offsetof(struct ethhdr, h_proto), protocol, sizeof(*protocol)))
        return -1;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        if (*protocol != bpf_htons(ETH_P_8021Q) && *protocol != bpf_htons(ETH_P_8021AD)) break;
        if (bpf_skb_load_bytes(skb, offset + 2, protocol, sizeof(*protocol))) return -1;
        offset += VLAN_HEADER;
    }
    return offset;
}

SEC("tc")

int netem_egress(struct __sk_buff* skb) {
    __u32 zero = 0;
    __u32 source = skb->tc_classid & 0xffff;
    struct netem_control* ctl = bpf_map_lookup_elem(&control, &zero);
    struct netem_totals* sum = bpf_map_lookup_elem(&totals, &zero);
    void* map = bpf_map_lookup_elem(&sources, &source);
    __u16 protocol = 0;
    __u32 destination;
    int leads_outside = 0;

    if (!ctl || !sum || !map) return drop();

    int offset = network_header(skb, &protocol);
    struct address to = {};

    if (offset < 0) {
        count(sum->malformed_drops, 1);
        return drop();
    }
    if (protocol == bpf_htons(ETH_P_ARP)) return pass_unshaped(skb);
    count(sum->packets_in, 1);
    if (protocol == bpf_htons(ETH_P_IP)) {
        to.words[2] = bpf_htonl(0xffff);
        if (bpf_skb_load_bytes(skb, offset + offsetof(struct iphdr, daddr), &to.words[3],
                               sizeof(__u32))) {
            count(sum->malformed_drops, 1);
            return drop();
        }
        const __u32 host = bpf_ntohl(to.words[3]);

        /* Multicast, reserved, broadcast: 224.0.0.0/3. */
        leads_outside = (host >> 29) != 7 && (host & ctl->run_mask) != ctl->run_network;
    } else if (protocol == bpf_htons(ETH_P_IPV6)) {
        __u8 next = 0, type = 0;

        if (bpf_skb_load_bytes(skb, offset + offsetof(struct ipv6hdr, daddr), &to, sizeof(to)) ||
            bpf_skb_load_bytes(skb, offset + offsetof(struct ipv6hdr, nexthdr), &next, 1)) {
            count(sum->malformed_drops, 1);
            return drop();
        }
        /* Neighbour discovery (RFC 4861), and reports of its groups (RFC 3810), which
         * have a hop-by-hop option before them. */
        if (next == IPPROTO_ICMPV6 &&
            !bpf_skb_load_bytes(skb, offset + sizeof(struct ipv6hdr), &type, 1) && type >= 133 &&
            type <= 137)
            return pass_unshaped(skb);
        if (next == IPPROTO_HOPOPTS &&
            (to.words[0] & bpf_htonl(0xffff0000)) == bpf_htonl(0xff020000) &&
            !bpf_skb_load_bytes(skb, offset + sizeof(struct ipv6hdr) + 8, &type, 1) &&
            (type == 131 || type == 132 || type == 143))
            return pass_unshaped(skb);
    } else {
        return unknown(skb, ctl, sum);
    }

    __u32* found = bpf_map_lookup_elem(&destinations, &to);

    if (found)
        destination = *found;
    else if (leads_outside && ctl->outside != NETEM_NO_DESTINATION)
        destination = ctl->outside;
    else
        return unknown(skb, ctl, sum);

    if (constants.attached && protocol == bpf_htons(ETH_P_IP) && is_spared(skb, offset))
        return pass_unshaped(skb);

    struct netem_row* row = bpf_map_lookup_elem(map, &destination);

    if (!row) return unknown(skb, ctl, sum);

    __u32 classid = row->classid;

    if (!classid) {
        count(row->unreachable_drops, 1);
        count(sum->unreachable_drops, 1);
        return drop();
    }
    /* A duplicate of ours comes with its class; nobody else knows it. */
    if (skb->priority == classid) return TC_ACT_OK;

    __u64 now = now_ns(ctl);
    __u64 last = row->last_arrival_ns;
    __u32 segments = skb->gso_segs;

    if (!segments) segments = 1;
    /* wire_len: the layer-2 length of all segments. */
    __u64 bytes = skb->wire_len + (__s64)row->overhead * segments;

    count(row->bytes, bytes);
    count(row->packets, segments);
    row->last_arrival_ns = now;
    if (now - last >= ctl->idle_ns) {
        struct netem_event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

        if (event) {
            event->at_ns = now;
            event->source = source;
            event->destination = destination;
            bpf_ringbuf_submit(event, 0);
        } else {
            count(sum->event_losses, 1);
            row->last_arrival_ns = last; /* the next packet tries again */
        }
    }
    skb->priority = classid;
    if (row->duplicate && bpf_get_prandom_u32() < row->duplicate &&
        !bpf_clone_redirect(skb, skb->ifindex, 0)) {
        count(row->duplicates, segments);
        count(row->duplicate_bytes, bytes);
    }
    return TC_ACT_OK;
}

/* At the ingress of a host that is cut off. */
SEC("tc")

int netem_cut(struct __sk_buff* skb) {
    struct address from = {};
    __u16 protocol = 0;
    int offset;

    if (!constants.attached) return TC_ACT_SHOT;
    /* What comes to a machine from others than the run's is none of our business. */
    offset = network_header(skb, &protocol);
    from.words[2] = bpf_htonl(0xffff);
    if (offset < 0 || protocol != bpf_htons(ETH_P_IP) ||
        bpf_skb_load_bytes(skb, offset + offsetof(struct iphdr, saddr), &from.words[3],
                           sizeof(__u32)) ||
        !bpf_map_lookup_elem(&destinations, &from) || is_spared(skb, offset))
        return TC_ACT_UNSPEC;
    return TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
