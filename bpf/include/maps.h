/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading and counting in maps. */
#ifndef MAPS_H
#define MAPS_H

#include "types.h"
#include <bpf/bpf_helpers.h>

/*
 * What a probe could not count or tell. One such array per probe, per CPU, folded in user space.
 * The indices are an enum so that user space finds them by name in the object's BTF.
 */
enum fault {
	FAULT_MAP_FULL, /* no room for a new key */
	FAULT_LOST, /* no room in the ring buffer */
	FAULT_SUPPRESSED, /* above the permitted rate of events */
	FAULT_UNFINISHED, /* what had begun was forgotten, for lack of room, before its end came */
	FAULTS,
};
DESCRIBED(enum fault);

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, FAULTS);
	__type(key, __u32);
	__type(value, __u64);
} faults SEC(".maps");

/* Atomic though the map is per CPU: an interrupt may count between the load and the store of the one below it. */
static __always_inline void add(__u64 *counter, __u64 value)
{
	__sync_fetch_and_add(counter, value);
}

static __always_inline void count_fault(enum fault which)
{
	__u32 key = which;
	__u64 *counter = bpf_map_lookup_elem(&faults, &key);

	if (counter)
		add(counter, 1);
}

/* The value of a key, made from `initial` where there was none; NULL, and counted, when the map is full. */
static __always_inline void *lookup_or_init(void *map, const void *key, const void *initial)
{
	void *value = bpf_map_lookup_elem(map, key);

	if (value)
		return value;
	bpf_map_update_elem(map, key, initial, BPF_NOEXIST); /* another CPU may have been first, which is as good */
	value = bpf_map_lookup_elem(map, key);
	if (!value)
		count_fault(FAULT_MAP_FULL);
	return value;
}

#endif
