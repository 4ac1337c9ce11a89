/* The clock of a host's own link, which the packets of all its paths book. A packet of one
 * path may book a time that is far off, because its path has a backlog, and a packet of
 * another path the present: so this is no single "next free" instant but a calendar. Time
 * is cut into buckets of 2^shift ns, at least 0.5 ms and 2 full-size packets; a ring of
 * them knows how much link time is booked in each.
 *
 * (1) No bucket is booked beyond its width. A packet begins in the first bucket from its
 *     begin on that has any room, and it takes what this and the next ones have free. It
 *     leaves as if it had the link for itself: where its bucket has room it is not delayed.
 * (2) Its time lies in neighbouring buckets, none of them full before: so at most one packet
 *     lies across a boundary of buckets, and in any interval T at most T + 2 buckets + 2
 *     packets of link time leave.
 * (3) A path that runs at the link's rate is not delayed when it is alone: what is booked of
 *     a bucket never reaches beyond the packet's begin.
 * (4) One run of full buckets is known, and jumped over; it is the one that backlogs make.
 *     Beside it a packet looks at EDT_CALENDAR_REACH buckets, then it finds no room.
 * (5) When the width changes with the link's rate, the bookings are forgotten.
 *
 * Times are ticks of 1/256 ns. Compiles as C for BPF and as C++. The caller holds a lock.
 * The loops have few branches because the kernel's verifier follows each in each turn.
 */
#pragma once

#include "bpf/shared/edt.h"

#ifdef __cplusplus
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif

#define EDT_CALENDAR_BUCKETS 2048
#define EDT_CALENDAR_SHIFT_MIN 19
#define EDT_CALENDAR_SHIFT_MAX 35
#define EDT_CALENDAR_WIDTH (1U << 27) /* a bucket in units, whatever its shift */
#define EDT_CALENDAR_FULL_SIZE 1538   /* bytes on the wire */
#define EDT_CALENDAR_REACH 32
#define EDT_CALENDAR_PAST 64 /* buckets before now that are kept: a packet may have begun there */

struct edt_bucket {
    /* The low bits of its begin >> shift, and the shift; another's: nothing is booked. */
    __u32 number;
    __u32 booked; /* units */
};

struct edt_calendar {
    __u64 time_per_byte; /* of the link, for which shift is right */
    __u32 shift;
    __u32 remainder; /* ticks that are booked with the next packet: less than a unit */
    __u64 full_from; /* a run of full buckets, until: */
    __u64 full_until;
    struct edt_bucket buckets[EDT_CALENDAR_BUCKETS];
};

/* How long `bytes` take, in ticks; `round` is 0 (down) or EDT_ROUND_UP. Good up to 2^22
 * bytes at 1 bit/s. */
#define EDT_ROUND_UP ((1ULL << (EDT_TIME_PER_BYTE_SHIFT - EDT_TICK_SHIFT)) - 1)

static inline __attribute__((always_inline)) __u64 edt_ticks(__u64 bytes, __u64 time_per_byte,
                                                             __u64 round) {
    const __u64 whole = time_per_byte >> EDT_TIME_PER_BYTE_SHIFT;
    const __u64 part = time_per_byte & ((1ULL << EDT_TIME_PER_BYTE_SHIFT) - 1);
    return ((bytes * whole) << EDT_TICK_SHIFT) +
           ((bytes * part + round) >> (EDT_TIME_PER_BYTE_SHIFT - EDT_TICK_SHIFT));
}

/* All ones when a < b, which are below 2^63; else 0. */
static inline __attribute__((always_inline)) __u64 edt_mask_less(__u64 a, __u64 b) {
    __u64 difference = a - b;
    __asm__("" : "+r"(difference)); /* or it becomes a branch */
    return (__u64)((__s64)difference >> 63);
}

static inline __attribute__((always_inline)) __u64 edt_chosen(__u64 mask, __u64 if_set,
                                                              __u64 if_clear) {
    return if_clear ^ ((if_set ^ if_clear) & mask);
}

/* The width of this link's buckets, in ns, as a power of two. */
static inline __attribute__((always_inline)) __u32 edt_calendar_shift(__u64 time_per_byte) {
    const __u64 least =
        edt_ticks((__u64)(2 * EDT_CALENDAR_FULL_SIZE), time_per_byte, 0) >> EDT_TICK_SHIFT;
    /* The bits of `least`, rounded up to a power of two: a search by halves. */
    __u64 rest = least > 0 ? least - 1 : 0;
    __u64 bits = 0;
    for (int step = 32; step > 0; step /= 2) {
        const __u64 more = edt_mask_less((1ULL << step) - 1, rest) & (__u64)step;
        bits += more;
        rest >>= more;
    }
    bits += rest;
    bits = edt_chosen(edt_mask_less(bits, EDT_CALENDAR_SHIFT_MIN), EDT_CALENDAR_SHIFT_MIN, bits);
    bits = edt_chosen(edt_mask_less(EDT_CALENDAR_SHIFT_MAX, bits), EDT_CALENDAR_SHIFT_MAX, bits);
    return (__u32)bits;
}

/* By how much a packet may be delayed here without its path's clock being pushed on, in
 * ns, so that two paths which share the link don't lose their rates by waiting for each
 * other: two buckets. */
static inline __attribute__((always_inline)) __u64
edt_calendar_credit(const struct edt_calendar* calendar) {
    const __u32 shift = calendar->shift & 63;
    return 2ULL << (shift < 30 ? shift : 30);
}

/* A bucket's number as it is written down. Numbers of another width must not be met again: soon
 * after the machine's start those of narrower buckets are the ones that come next. */
static inline __attribute__((always_inline)) __u32 edt_bucket_number(__u64 number, __u32 shift) {
    return (__u32)number ^ (shift << 26);
}

/* For a link of this rate from now on. */
static inline __attribute__((always_inline)) void edt_calendar_reshape(
    struct edt_calendar* calendar, __u64 time_per_byte) {
    const __u32 shift = edt_calendar_shift(time_per_byte);
    calendar->time_per_byte = time_per_byte;
    if (shift == calendar->shift) return;
    calendar->shift = shift;
    calendar->remainder = 0;
    calendar->full_from = 0;
    calendar->full_until = 0;
}

/* A packet that occupies the link for `time` and may have left at `ready`: when it leaves;
 * 0 when there is no room for it. `now` never lies behind that of an earlier call by more
 * than a bucket. */
static inline __attribute__((always_inline)) __u64 edt_calendar_book(struct edt_calendar* calendar,
                                                                     __u64 now, __u64 ready,
                                                                     __u64 time) {
    const __u32 unit_shift = (calendar->shift - EDT_CALENDAR_SHIFT_MIN) & 31; /* in ticks */
    const __u32 bucket_shift = (calendar->shift + EDT_TICK_SHIFT) & 63;
    const __u64 less_than_unit = (1ULL << unit_shift) - 1;
    const __u64 present = now >> bucket_shift;
    const __u64 end = present + EDT_CALENDAR_BUCKETS - EDT_CALENDAR_PAST;
    const __u64 exact = time + calendar->remainder;
    const __u64 units = exact >> unit_shift;
    __u64 begin = ready > time ? ready - time : 0;
    __u64 full_from = calendar->full_from;
    __u64 full_until = calendar->full_until;
    __u64 number = begin >> bucket_shift;
    if (number + EDT_CALENDAR_PAST <= present) number = present + 1 - EDT_CALENDAR_PAST;
    __u64 first = number; /* where its time begins */
    __u64 left = units;
    __u64 fits = 0;
    struct edt_bucket* bucket = calendar->buckets;
    for (int i = 0; i < EDT_CALENDAR_REACH; ++i) {
        const __u64 jump = ~edt_mask_less(number, full_from) & edt_mask_less(number, full_until);
        number = edt_chosen(jump, full_until, number);
        if (number >= end) break;
        bucket = &calendar->buckets[number & (EDT_CALENDAR_BUCKETS - 1)];
        const __u64 other = (__u64)bucket->number ^ edt_bucket_number(number, calendar->shift);
        const __u64 room = EDT_CALENDAR_WIDTH - (bucket->booked & edt_mask_less(other, 1));
        const __u64 full = edt_mask_less(room, 1);
        first = edt_chosen(jump | full, number + (full & 1), first);
        left = edt_chosen(jump | full, units, left);
        fits = ~full & ~edt_mask_less(room, left);
        if (fits) break;
        left -= room;
        /* The bucket makes the run longer, or begins one when that is past. */
        const __u64 past = full & edt_mask_less(full_until, present);
        const __u64 next = full & edt_mask_less(full_until ^ number, 1);
        full_from = edt_chosen(past, number, full_from);
        full_until = edt_chosen(past | next, number + 1, full_until);
        ++number;
    }
    calendar->full_from = full_from;
    calendar->full_until = full_until;
    if (!fits) return 0;
    begin = edt_chosen(edt_mask_less(begin, first << bucket_shift), first << bucket_shift, begin);
    for (int i = 0; i < EDT_CALENDAR_REACH && first < number; ++i) {
        struct edt_bucket* filled = &calendar->buckets[first & (EDT_CALENDAR_BUCKETS - 1)];
        filled->number = edt_bucket_number(first, calendar->shift);
        filled->booked = EDT_CALENDAR_WIDTH;
        ++first;
    }
    const __u32 written = edt_bucket_number(number, calendar->shift);
    const __u64 same = edt_mask_less((__u64)bucket->number ^ written, 1);
    bucket->booked = (__u32)((bucket->booked & same) + left);
    bucket->number = written;
    calendar->remainder = (__u32)(exact & less_than_unit);
    return begin + time;
}

#ifdef __cplusplus
#pragma GCC diagnostic pop
#endif
