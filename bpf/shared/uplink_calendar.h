/* The clock of a host's own link, which the packets of all its paths book. A packet of one
 * path may book a time that is far off, because its path has a backlog, and a packet of
 * another path the present: so this is no single "next free" instant but a calendar. Time
 * is cut into buckets of 2^shift ns, at least 1 ms and 4 full-size packets; a ring of them
 * knows how much link time is booked in each.
 *
 * (1) No bucket is booked beyond its width. A packet takes what the buckets from its begin
 *     on have free, and has left when the last of its time has passed, buckets being filled
 *     from their front.
 * (2) Its time lies in neighbouring buckets: behind a full one it starts anew, and what it
 *     took before is wasted. So at most one packet lies across a boundary of buckets, and in
 *     any interval T at most T + a bucket + two packets of link time leave.
 * (3) A path that is alone, or that leaves the others room, is not delayed: with every
 *     packet that begins where the one before has left, or later, the booked front of a
 *     bucket is never ahead of the packet.
 * (4) One run of full buckets is known, and jumped over; it is the one that backlogs make.
 *     Beside it a packet looks at EDT_CALENDAR_REACH buckets, then it finds no room.
 * (5) When the width changes with the link's rate, the bookings are forgotten.
 *
 * Times are ticks of 1/256 ns. Compiles as C for BPF and as C++. The caller holds a lock.
 * The loop has few branches because the kernel's verifier follows each in each turn.
 */
#pragma once

#include "bpf/shared/edt.h"

#define EDT_CALENDAR_BUCKETS 1024
#define EDT_CALENDAR_SHIFT_MIN 20
#define EDT_CALENDAR_SHIFT_MAX 36
#define EDT_CALENDAR_WIDTH (1U << 28) /* a bucket in units, whatever its shift */
#define EDT_CALENDAR_FULL_SIZE 1538   /* bytes on the wire */
#define EDT_CALENDAR_REACH 32
#define EDT_CALENDAR_PAST 64 /* buckets before now that are kept: a packet may have begun there */

struct edt_bucket {
    __u32 number; /* the low bits of its begin >> shift; another's: nothing is booked */
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

/* How long `bytes` take, in ticks. Good up to 2^22 bytes at 1 bit/s. */
static inline __attribute__((always_inline)) __u64 edt_ticks(__u64 bytes, __u64 time_per_byte) {
    const __u64 whole = time_per_byte >> EDT_TIME_PER_BYTE_SHIFT;
    const __u64 part = time_per_byte & ((1ULL << EDT_TIME_PER_BYTE_SHIFT) - 1);
    return ((bytes * whole) << EDT_TICK_SHIFT) +
           ((bytes * part) >> (EDT_TIME_PER_BYTE_SHIFT - EDT_TICK_SHIFT));
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
        edt_ticks((__u64)(4 * EDT_CALENDAR_FULL_SIZE), time_per_byte) >> EDT_TICK_SHIFT;
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
 * other: a bucket. */
static inline __attribute__((always_inline)) __u64
edt_calendar_credit(const struct edt_calendar* calendar) {
    const __u32 shift = calendar->shift & 63;
    return 1ULL << (shift < 31 ? shift : 31);
}

/* For a link of this rate from now on. Numbers of another width's are not met again. */
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
    const __u64 begin = ready > time ? ready - time : 0;
    __u64 full_from = calendar->full_from;
    __u64 full_until = calendar->full_until;
    __u64 number = begin >> bucket_shift;
    if (number + EDT_CALENDAR_PAST <= present) number = present + 1 - EDT_CALENDAR_PAST;
    __u64 first = number; /* where its time begins */
    __u64 left = units;
    for (int i = 0; i < EDT_CALENDAR_REACH; ++i) {
        const __u64 jump = ~edt_mask_less(number, full_from) & edt_mask_less(number, full_until);
        number = edt_chosen(jump, full_until, number);
        first = edt_chosen(jump, number, first);
        left = edt_chosen(jump, units, left);
        if (number >= end) return 0;
        struct edt_bucket* bucket = &calendar->buckets[number & (EDT_CALENDAR_BUCKETS - 1)];
        const __u64 other = (__u64)bucket->number ^ (__u32)number;
        const __u64 booked = bucket->booked & edt_mask_less(other, 1);
        const __u64 room = EDT_CALENDAR_WIDTH - booked;
        const __u64 full = edt_mask_less(room, 1);
        left = edt_chosen(full, units, left);
        first = edt_chosen(full, number + 1, first);
        const __u64 taken = edt_chosen(edt_mask_less(left, room), left, room);
        bucket->number = (__u32)number;
        bucket->booked = (__u32)(booked + taken);
        left -= taken;
        /* A full one that a packet of no length goes by is not its place. */
        if ((left | full) == 0) {
            const __u64 begins = begin > (first << bucket_shift) ? begin : first << bucket_shift;
            /* The remainder may have made it a unit longer than it is. */
            const __u64 front = (number << bucket_shift) + ((booked + taken) << unit_shift);
            calendar->remainder = (__u32)(exact & less_than_unit);
            calendar->full_from = full_from;
            calendar->full_until = full_until;
            return front > begins + time + less_than_unit ? front : begins + time;
        }
        /* The bucket is full now: it makes the run longer, or begins one when that is past. */
        const __u64 past = edt_mask_less(full_until, present);
        full_from = edt_chosen(past, number, full_from);
        full_until =
            edt_chosen(past | edt_mask_less(full_until ^ number, 1), number + 1, full_until);
        ++number;
    }
    return 0;
}
