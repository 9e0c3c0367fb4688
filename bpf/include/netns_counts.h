/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts per network namespace, kept under its cookie. See netns_list.h for why.
 */
#ifndef NETNS_COUNTS_H
#define NETNS_COUNTS_H

#include "maps.h"
#include "netns_list.h"

struct netns_count_key {
	netns_cookie cookie;
	__u32 kind;
	__u32 reason;
};

struct netns_count {
	__u64 events;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024); /* set before load */
	__type(key, struct netns_count_key);
	__type(value, struct netns_count);
} counts SEC(".maps");

static __always_inline void count_in(netns_cookie cookie, __u32 kind, __u32 reason, __u64 amount)
{
	struct netns_count_key key = {.cookie = cookie, .kind = kind, .reason = reason};
	struct netns_count zero = {}, *counter;

	counter = lookup_or_init(&counts, &key, &zero);
	if (counter)
		add(&counter->events, amount);
}

#endif
