/* On a machine's own interface: what is none of the run's business passes as if we weren't there,
 * socket and all, and on to the filters of others. That is all but IPv4 to (or, where a host is cut
 * off, from) a host of the run; and of that the ports of the machines' own control connections.
 * Without `constants.attached` the verifier takes all of it out of the programs.
 */
#pragma once

#include <bpf/bpf_endian.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <stddef.h>

#include "bpf/edt/maps.h"

/* `address_offset`: of the source's or the destination's address in the IP header. */
INLINE int is_of_run(struct __sk_buff* skb, __u32 address_offset) {
    __be16 type = 0;
    __be32 address = 0;
    if (bpf_skb_load_bytes(skb, offsetof(struct ethhdr, h_proto), &type, sizeof(type))) return 0;
    if (type != bpf_htons(ETH_P_IP)) return 0;
    if (bpf_skb_load_bytes(skb, ETH_HLEN + address_offset, &address, sizeof(address))) return 0;
    if (!bpf_map_lookup_elem(&addresses4, &address)) return 0;

    __u8 first = 0;
    __u8 protocol = 0;
    if (bpf_skb_load_bytes(skb, ETH_HLEN, &first, sizeof(first))) return 0;
    if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, protocol), &protocol,
                           sizeof(protocol))) {
        return 0;
    }
    if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) return 1;
    /* Only a datagram's first piece has the ports. */
    __be16 fragment = 0;
    if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, frag_off), &fragment,
                           sizeof(fragment)) ||
        fragment & bpf_htons(0x1fff)) {
        return 1;
    }
    __be16 ports[2] = {};
    if (bpf_skb_load_bytes(skb, ETH_HLEN + (first & 15) * 4, ports, sizeof(ports))) return 1;
    return !bpf_map_lookup_elem(&spared_ports, &ports[0]) &&
           !bpf_map_lookup_elem(&spared_ports, &ports[1]);
}
