/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which of many alike things are measured: reading the clock and counting cost more than all else on their way. */
#ifndef SAMPLING_H
#define SAMPLING_H

#include "types.h"
#include <bpf/bpf_helpers.h>

#define GOLDEN 2654435769u /* 2^32 over the golden ratio: multiples of it spread evenly */

const volatile __u32 sample_one_in = 1; /* up to 1: each; set before load */

static __always_inline int all_are_measured(void)
{
	return sample_one_in <= 1;
}

/*
 * One of `one_in`, which is not 0, so that no packet or address is preferred: a random number says how many go before
 * it, and `left` counts them; 0 before the first. A number for each would take most of the time of a program. An
 * interrupt in between changes only the distance.
 */
static __always_inline int drawn_from(__u64 *left, __u32 one_in)
{
	__u64 before = *left;

	if (before > 1) {
		*left = before - 1;
		return 0;
	}
	*left = 1 + (bpf_get_prandom_u32() * (2ull * one_in - 1) >> 32); /* `one_in` on average */
	return before;
}

/* How many on this CPU are left until the lot falls on one. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lots SEC(".maps");

static __always_inline int drawn(__u32 one_in)
{
	__u32 zero = 0;
	__u64 *left = bpf_map_lookup_elem(&lots, &zero);

	return left && drawn_from(left, one_in);
}

static __always_inline int measured_by_chance(void)
{
	return all_are_measured() || drawn(sample_one_in);
}

/* A number from here on: with an address the verifier allows no arithmetic. The lower half tells addresses apart. */
static __always_inline __u32 number_of(__u64 address)
{
	__u32 low;

	asm("%0 = %1" : "=w"(low) : "w"((__u32)address));
	return low;
}

/* Of what lives long, each in some turns: about as many as there are to one that is measured lie in between. */
static __always_inline int measured_in_turn(__u64 address, __u64 turn)
{
	__u32 spread = (number_of(address) + (__u32)turn) * GOLDEN;

	return all_are_measured() || !((__u64)spread * sample_one_in >> 32);
}

#endif
