/* What the underlay's program (C, in the kernel) and its user space (C++) share.
 *
 * A port is found by the address that is behind it, IPv4 as ::ffff:a.b.c.d. The unspecified
 * IPv6 address (::) stands for all IPv4 addresses that are no host's: the outside host.
 */
#pragma once

#include <linux/types.h>

#define UNDERLAY_PORTS 65536

struct underlay_address {
    __u32 words[4]; /* network byte order */
};

struct underlay_port {
    __u32 interface;      /* in the underlay */
    __u8 link_address[6]; /* of both ends */
    __u8 pad[2];
};

#ifdef __cplusplus
static_assert(sizeof(underlay_port) == 12 && sizeof(underlay_address) == 16);
#endif
