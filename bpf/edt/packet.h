/* What a packet is: its length, its segments, and which host it is for. */
#pragma once

#include <bpf/bpf_endian.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/edt/maps.h"

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
