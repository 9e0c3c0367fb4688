/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Histograms by powers of two. Plain C without helpers: the tests compile it natively.
 *
 * Slot i holds values v with 2^(i-1) < v <= 2^i (slot 0 holds 0 and 1), so 2^i is its upper bound, inclusive as
 * a Prometheus `le` is. The last slot holds everything above.
 */
#ifndef HIST_H
#define HIST_H

#include <linux/types.h>

#define HIST_SLOTS 32

struct hist {
	__u64 slots[HIST_SLOTS];
	__u64 sum;
	__u64 count;
};

static inline __attribute__((always_inline)) __u32 hist_slot(__u64 value)
{
	__u32 slot = 0;
	__u64 rest;

	if (value <= 1)
		return 0;
	rest = value - 1; /* ceil(log2(v)) is the number of bits of v - 1 */
	/* Without loop or count-leading-zeros, which the BPF target lacks. */
	if (rest >> 32) {
		slot += 32;
		rest >>= 32;
	}
	if (rest >> 16) {
		slot += 16;
		rest >>= 16;
	}
	if (rest >> 8) {
		slot += 8;
		rest >>= 8;
	}
	if (rest >> 4) {
		slot += 4;
		rest >>= 4;
	}
	if (rest >> 2) {
		slot += 2;
		rest >>= 2;
	}
	slot += (rest >> 1) + 1;
	return slot < HIST_SLOTS ? slot : HIST_SLOTS - 1;
}

/* Atomic for the same reason as every counter, see maps.h. */
static inline __attribute__((always_inline)) void hist_count(struct hist *hist, __u32 slot, __u64 value)
{
	__sync_fetch_and_add(&hist->slots[slot & (HIST_SLOTS - 1)], 1); /* the mask is for the verifier */
	__sync_fetch_and_add(&hist->sum, value);
	__sync_fetch_and_add(&hist->count, 1);
}

static inline __attribute__((always_inline)) void hist_add(struct hist *hist, __u64 value)
{
	hist_count(hist, hist_slot(value), value);
}

/* A time: slots in microseconds, rounded up so that the bounds stay inclusive; the sum in nanoseconds. */
static inline __attribute__((always_inline)) void hist_add_time(struct hist *hist, __u64 nanoseconds)
{
	hist_count(hist, hist_slot((nanoseconds + 999) / 1000), nanoseconds);
}

#endif
