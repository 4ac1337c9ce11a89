/* Seeded draws: the same as model/draw.cc, bit for bit. */
#pragma once

#include "bpf/edt/maps.h"

#define GOLDEN 0x9e3779b97f4a7c15ULL

enum draw_purpose {
    DRAW_LOSS,
    DRAW_BURST_STATE,
    DRAW_BURST_LOSS,
    DRAW_DUPLICATE,
    DRAW_CORRUPT,
    DRAW_CORRUPT_PLACE,
    DRAW_REORDER,
    DRAW_JITTER,
};

INLINE __u64 mixed(__u64 x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

INLINE __u64 draw_key(__u64 seed_key, __u32 source, __u32 destination, __u32 protocol) {
    const __u64 key = mixed(seed_key ^ (((__u64)source << 32) | destination));
    return mixed(key + ((__u64)protocol + 1) * GOLDEN);
}

INLINE __u64 draw_bits(__u64 key, enum draw_purpose purpose, __u64 count) {
    return mixed(mixed(key + ((__u64)purpose + 1) * GOLDEN) + count * GOLDEN);
}

INLINE int below(__u64 bits, __u32 chance) {
    return chance == EDT_ALWAYS || (bits >> 32) < chance;
}

INLINE int happens(__u64 key, enum draw_purpose purpose, __u64 count, __u32 chance) {
    return chance != 0 && below(draw_bits(key, purpose, count), chance);
}

/* By how many ns the packet is later than the delay says; negative: earlier. */
INLINE __s64 draw_jitter(__u64 key, __u64 count, __u32 jitter_ns, __u32 distribution) {
    const __u64 bits = draw_bits(key, DRAW_JITTER, count) >> 32;
    const __u32 step = (bits >> (32 - EDT_JITTER_STEPS_SHIFT)) & (EDT_JITTER_STEPS - 1);
    const __s64 part = bits & ((1U << (32 - EDT_JITTER_STEPS_SHIFT)) - 1);
    if (distribution >= EDT_DISTRIBUTIONS) return 0;
    const __s64 from = constants.jitter[distribution][step];
    const __s64 to = constants.jitter[distribution][step + 1];
    const __s64 at = from + (((to - from) * part) >> (32 - EDT_JITTER_STEPS_SHIFT));
    return (at * (__s64)jitter_ns) >> EDT_JITTER_SHIFT;
}
