/* The underlay's programs, at the ingress of each port and of the VXLAN device: they put a packet
 * straight into the host that it is for, or give it to the VXLAN device when that host is on
 * another machine. To applications there is no router: no TTL is decremented, and nothing answers
 * in a host's stead.
 *
 * (1) What comes from a port and is for no port goes on to the kernel's routing, as without this
 *     program. So does all that is not IPv4 or IPv6.
 * (2) The packet arrives on the other end of the destination's pair (bpf_redirect_peer, Linux
 *     5.10), in the host's namespace; filters at its ingress see it.
 * (3) What comes from another machine is for a host of this one, or dropped: never routed, never
 *     sent on.
 */
#include "bpf/shared/underlay.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stddef.h>

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 2 * UNDERLAY_PORTS + 1);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct underlay_address);
    __type(value, struct underlay_port);
} ports SEC(".maps");

#define INLINE static __always_inline

/* The port of the packet's destination; 0: none. */
INLINE const struct underlay_port* destination_of(struct __sk_buff* skb) {
    struct underlay_address to = {};
    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        const __u32 at = ETH_HLEN + offsetof(struct iphdr, daddr);
        if (bpf_skb_load_bytes(skb, at, &to.words[3], sizeof(to.words[3]))) return 0;
        to.words[2] = bpf_htonl(0xffff);
        const struct underlay_port* port = bpf_map_lookup_elem(&ports, &to);
        /* Not multicast, reserved or broadcast: 224.0.0.0/3. */
        if (port || bpf_ntohl(to.words[3]) >> 29 == 7) return port;
        const struct underlay_address outside = {};
        return bpf_map_lookup_elem(&ports, &outside);
    }
    if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
        const __u32 at = ETH_HLEN + offsetof(struct ipv6hdr, daddr);
        if (bpf_skb_load_bytes(skb, at, &to, sizeof(to))) return 0;
        if (!(to.words[0] | to.words[1] | to.words[2] | to.words[3])) return 0;
        return bpf_map_lookup_elem(&ports, &to);
    }
    return 0;
}

INLINE int into_host(struct __sk_buff* skb, const struct underlay_port* port) {
    __u8 link_addresses[2 * ETH_ALEN];
    __builtin_memcpy(link_addresses, port->link_address, ETH_ALEN);
    __builtin_memcpy(link_addresses + ETH_ALEN, port->link_address, ETH_ALEN);
    const __u32 interface = port->interface;
    if (bpf_skb_store_bytes(skb, 0, link_addresses, sizeof(link_addresses), 0)) return TC_ACT_SHOT;
    return bpf_redirect_peer(interface, 0);
}

/* From this machine's VXLAN device, whose link address no packet may have as its source: those of
 * hosts and those of machines differ. */
INLINE int to_machine(struct __sk_buff* skb, const struct underlay_port* port) {
    __u8 link_address[ETH_ALEN];
    __builtin_memcpy(link_address, port->link_address, ETH_ALEN);
    const __u32 interface = port->interface;
    if (bpf_skb_store_bytes(skb, 0, link_address, sizeof(link_address), 0)) return TC_ACT_SHOT;
    return bpf_redirect(interface, 0);
}

SEC("tc")

int underlay_forward(struct __sk_buff* skb) {
    const struct underlay_port* port = destination_of(skb);
    if (!port) return TC_ACT_OK;
    if (port->flags & UNDERLAY_ELSEWHERE) return to_machine(skb, port);
    /* A host that sends out what is for itself, and would take it in to do so again. */
    if (port->interface == skb->ifindex) return TC_ACT_SHOT;
    return into_host(skb, port);
}

SEC("tc")

int underlay_arrive(struct __sk_buff* skb) {
    const struct underlay_port* port = destination_of(skb);
    if (!port || port->flags & UNDERLAY_ELSEWHERE) return TC_ACT_SHOT;
    return into_host(skb, port);
}

char program_license[] SEC("license") = "GPL";
