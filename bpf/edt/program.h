/* What every part of the edt plane's program is written with. */
#pragma once

#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>
#include <linux/types.h>

#define INLINE static __always_inline

INLINE void* element(void* map, __u32 index) {
    return bpf_map_lookup_elem(map, &index);
}

/* The kernel's verifier follows every way through the program with all that it knows on it,
 * and joins two ways where it knows the same: what need not be known is made unknown, by a
 * number that is always 0. */
#define FORGET(value, zero)                                       \
    do {                                                          \
        __u64 known_ = (value);                                   \
        const __u64 zero_ = (zero);                               \
        __asm__ volatile("%0 ^= %1" : "+r"(known_) : "r"(zero_)); \
        (value) = known_;                                         \
    } while (0)

/* Outside of a lock; `to` is a row of this processor's. */
#define COUNT(to, n) __sync_fetch_and_add(&(to), (n))
