/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long something took: all times as a histogram, and how often it was longer than two thresholds. */
#ifndef TIMES_H
#define TIMES_H

#include "hist.h"
#include "maps.h"

const volatile __u64 slow_ns = 10000000;
const volatile __u64 very_slow_ns = 100000000;

struct slow {
	__u64 slow; /* the very slow ones included */
	__u64 very_slow;
};

struct times {
	struct hist all;
	struct slow slow;
};
DESCRIBED(struct hist);
DESCRIBED(struct slow);

static __always_inline void times_add(struct times *times, __u64 nanoseconds)
{
	hist_add_time(&times->all, nanoseconds);
	if (nanoseconds > slow_ns)
		add(&times->slow.slow, 1);
	if (nanoseconds > very_slow_ns)
		add(&times->slow.very_slow, 1);
}

#endif
