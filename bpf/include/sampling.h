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

/* Each time anew, so that no packet or address is preferred. */
static __always_inline int measured_by_chance(void)
{
	return all_are_measured() || !((__u64)bpf_get_prandom_u32() * sample_one_in >> 32);
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
