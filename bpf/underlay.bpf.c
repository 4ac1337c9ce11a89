/* The underlay's program, at the ingress of each port: puts a packet straight into the host
 * that it is for. To applications there is no router: no TTL is decremented, and nothing answers
 * in a host's stead.
 *
 * (1) What is for no port goes on to the kernel's routing, as without this program. So does all
 *     that is not IPv4 or IPv6.
 * (2) The packet arrives on the other end of the destination's pair (bpf_redirect_peer, Linux
 *     5.10), in the host's namespace; filters at its ingress see it.
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

SEC("tc")

int underlay_forward(struct __sk_buff* skb) {
    struct underlay_address to = {};
    const struct underlay_port* port = 0;
    if (skb->protocol == bpf_htons(ETH_P_IP)) {
        const __u32 at = ETH_HLEN + offsetof(struct iphdr, daddr);
        if (bpf_skb_load_bytes(skb, at, &to.words[3], sizeof(to.words[3]))) return TC_ACT_OK;
        to.words[2] = bpf_htonl(0xffff);
        port = bpf_map_lookup_elem(&ports, &to);
        /* Not multicast, reserved or broadcast: 224.0.0.0/3. */
        if (!port && bpf_ntohl(to.words[3]) >> 29 != 7) {
            const struct underlay_address outside = {};
            port = bpf_map_lookup_elem(&ports, &outside);
        }
    } else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
        const __u32 at = ETH_HLEN + offsetof(struct ipv6hdr, daddr);
        if (bpf_skb_load_bytes(skb, at, &to, sizeof(to))) return TC_ACT_OK;
        if (!(to.words[0] | to.words[1] | to.words[2] | to.words[3])) return TC_ACT_OK;
        port = bpf_map_lookup_elem(&ports, &to);
    }
    if (!port) return TC_ACT_OK;
    /* A host that sends out what is for itself, and would take it in to do so again. */
    if (port->interface == skb->ifindex) return TC_ACT_SHOT;
    __u8 link_addresses[2 * ETH_ALEN];
    __builtin_memcpy(link_addresses, port->link_address, ETH_ALEN);
    __builtin_memcpy(link_addresses + ETH_ALEN, port->link_address, ETH_ALEN);
    const __u32 interface = port->interface;
    if (bpf_skb_store_bytes(skb, 0, link_addresses, sizeof(link_addresses), 0)) return TC_ACT_SHOT;
    return bpf_redirect_peer(interface, 0);
}

char program_license[] SEC("license") = "GPL";
