/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events that bring along by which functions the kernel came there. */
#ifndef EVENT_STACKS_H
#define EVENT_STACKS_H

#include "events.h"

#define MOST_FRAMES 22 /* for which the 512 bytes of a program's stack have room */

/* Whether events bring the return addresses in the kernel along. */
const volatile __u32 event_stacks = 0;

/* Innermost ones that are left out, as they are those of watching. */
const volatile __u64 stack_skips = 0;

/* Send the `size` bytes of a record, and the MOST_FRAMES addresses behind them only with `event_stacks`. */
static __always_inline void event_submit_traced(void *ctx, void *record, __u64 size)
{
	__u64 stack_size = MOST_FRAMES * sizeof(__u64);

	if (event_stacks) {
		bpf_get_stack(ctx, record + size, stack_size, stack_skips);
		event_submit(record, size + stack_size);
	} else {
		event_submit(record, size);
	}
}

#endif
