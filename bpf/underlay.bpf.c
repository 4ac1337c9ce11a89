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
 *     sent on. So is what comes from an address that is no machine's of this run, or with
 *     another network number; and what comes in by the device that is for sending only, which
 *     says neither.
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

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, UNDERLAY_MACHINES);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct underlay_address);
    __type(value, __u32);
} machines SEC(".maps");

#define INLINE static __always_inline

/* As Linux 5.10 has it: later ones have the receiver's address behind it. */
#define TUNNEL_KEY_BYTES offsetof(struct bpf_tunnel_key, local_ipv6[0])

INLINE int is_from_machine(struct __sk_buff* skb) {
    struct bpf_tunnel_key key = {};
    struct underlay_address from = {};
    if (bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_BYTES, 0) == 0) {
        from.words[2] = bpf_htonl(0xffff);
        from.words[3] = bpf_htonl(key.remote_ipv4);
    } else if (bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_BYTES, BPF_F_TUNINFO_IPV6) == 0) {
        __builtin_memcpy(from.words, key.remote_ipv6, sizeof(from.words));
    } else {
        return 0;
    }
    const __u32* network = bpf_map_lookup_elem(&machines, &from);
    return network && *network == key.tunnel_id;
}

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
    if (!is_from_machine(skb)) return TC_ACT_SHOT;
    const struct underlay_port* port = destination_of(skb);
    if (!port || port->flags & UNDERLAY_ELSEWHERE) return TC_ACT_SHOT;
    return into_host(skb, port);
}

char program_license[] SEC("license") = "GPL";
