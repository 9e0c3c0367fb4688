/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Times per network namespace and kind, kept under the cookie of the namespace. See netns_list.h for why.
 *
 * The map is not per CPU: a value has 288 bytes, which times the CPUs of a large machine would be too much to read in
 * each cycle, while the packets of one namespace seldom come from many CPUs at once.
 */
#ifndef NETNS_TIMES_H
#define NETNS_TIMES_H

#include "maps.h"
#include "netns_list.h"
#include "times.h"

struct netns_time_key {
	netns_cookie cookie;
	__u32 kind;
	__u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024); /* set before load */
	__type(key, struct netns_time_key);
	__type(value, struct times);
} netns_times SEC(".maps");

static const struct times no_times; /* too large for the stack */

static __always_inline void time_in(netns_cookie cookie, __u32 kind, __u64 nanoseconds)
{
	struct netns_time_key key = {.cookie = cookie, .kind = kind};
	struct times *times = lookup_or_init(&netns_times, &key, &no_times);

	if (times)
		times_add(times, nanoseconds);
}

#endif
