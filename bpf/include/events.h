/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Streaming exceptions to user space, at a bounded rate, with every loss counted. */
#ifndef EVENTS_H
#define EVENTS_H

#include "maps.h"

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_USEC 1000ull

/* Events per CPU and second; 0 streams none, and then what makes them is cut out when the program is loaded. */
const volatile __u32 events_per_second = 100;

struct event_budget {
	__u64 second;
	__u64 used;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_budget);
} event_budgets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

static __always_inline int event_permitted(void)
{
	__u32 zero = 0;
	__u64 now = bpf_ktime_get_ns() / NSEC_PER_SEC;
	struct event_budget *budget = bpf_map_lookup_elem(&event_budgets, &zero);

	if (!budget)
		return 0;
	if (budget->second != now) {
		budget->second = now;
		budget->used = 0;
	}
	if (budget->used >= events_per_second) {
		count_fault(FAULT_SUPPRESSED);
		return 0;
	}
	add(&budget->used, 1); /* not to be read at the same time, which needs Linux 5.12 */
	return 1;
}

/* Whether to make an event now: asked before anything is read for it, and once for each, as what is refused counts. */
static __always_inline int event_wanted(void)
{
	return events_per_second && event_permitted();
}

/* Send what `event_wanted` permitted. */
static __always_inline void event_submit(void *event, __u64 size)
{
	if (bpf_ringbuf_output(&events, event, size, 0))
		count_fault(FAULT_LOST);
}

/*
 * Send one event, whole: `event` must be zeroed before it is filled, padding included. A copy is made rather than a
 * reservation, so that no path can forget to submit.
 */
static __always_inline void event_send(void *event, __u64 size)
{
	if (event_permitted())
		event_submit(event, size);
}

#endif
