/* What the underlay's programs (C, in the kernel) and their user space (C++) share.
 *
 * A port is found by the address that is behind it, IPv4 as ::ffff:a.b.c.d. The unspecified
 * IPv6 address (::) stands for all IPv4 addresses that are no host's: the outside host.
 * Hosts of another machine are behind the VXLAN device (UNDERLAY_ELSEWHERE); the link address is
 * then the machine's, by which the device knows where to send.
 */
#pragma once

#include <linux/types.h>

#define UNDERLAY_PORTS 65536

enum underlay_flags { UNDERLAY_ELSEWHERE = 1 };

struct underlay_address {
    __u32 words[4]; /* network byte order */
};

struct underlay_port {
    __u32 interface;      /* in the underlay */
    __u8 link_address[6]; /* of both ends, or of the other machine */
    __u8 flags;
    __u8 pad;
};

/* Machines by the address that they send VXLAN from; the value is the network number (VNI) that
 * this machine has drawn, which they must name. */
#define UNDERLAY_MACHINES 65536

#ifdef __cplusplus
static_assert(sizeof(underlay_port) == 12 && sizeof(underlay_address) == 16);
#endif
