/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The network namespaces that are alive.
 *
 * `list_netns` says which cookie has which inode now: so user space neither shows what belongs to a dead pod under the
 * name of a new one, nor keeps what nobody will ask for.
 *
 * Kernel: 5.17, for bpf_loop; from 5.10 on `list_netns_in_steps` does the same. exporter/bpf/live_netns.py takes the
 * one that the kernel can run.
 */
#ifndef NETNS_LIST_H
#define NETNS_LIST_H

#include "netns_cookie.h"

#define MOST_NETNS 8192
#define STEPS_AT_ONCE 64 /* which the kernel lets happen 33 times */

struct live_netns {
	netns_cookie cookie;
	netns_ino inode;
	__u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MOST_NETNS);
	__type(key, __u32);
	__type(value, struct live_netns);
} live_netns SEC(".maps");

struct netns_walk {
	struct list_head *first;
	struct list_head *here;
	__u32 found;
	__u32 complete;
};

static __always_inline long visit_netns(__u32 index, struct netns_walk *walk)
{
	struct list_head *here = walk->here; /* a relocated read must not begin at a struct of our own */
	struct net *net = (void *)here - bpf_core_field_offset(struct net, list);
	__u32 slot = walk->found;
	struct live_netns *row;

	if (is_netns(net)) { /* the head of the list is not part of one */
		row = bpf_map_lookup_elem(&live_netns, &slot);
		if (!row)
			return 1;
		row->cookie = known_cookie(net);
		row->inode = BPF_CORE_READ(net, ns.inum);
		walk->found++;
	}
	walk->here = BPF_CORE_READ(here, next);
	walk->complete = walk->here == walk->first;
	return walk->complete || !walk->here;
}

static __always_inline void start_netns_walk(struct netns_walk *walk)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct net *own = BPF_CORE_READ(task, nsproxy, net_ns);

	walk->first = walk->here = (void *)own + bpf_core_field_offset(struct net, list);
	walk->found = walk->complete = 0;
}

/* Fills `live_netns`; gives back how many there are, or a negative error when it could not walk all around. */
SEC("syscall")
int list_netns(void *ctx)
{
	struct netns_walk walk;

	start_netns_walk(&walk);
	bpf_loop(MOST_NETNS + 1, visit_netns, &walk, 0);
	return walk.complete ? walk.found : -1;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct netns_walk);
} netns_walks SEC(".maps");

/* User space puts `walk_on` here. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} netns_steps SEC(".maps");

SEC("?raw_tp")
int walk_on(void *ctx)
{
	__u32 only = 0;
	struct netns_walk *walk = bpf_map_lookup_elem(&netns_walks, &only);

	if (!walk)
		return -1;
#pragma unroll
	for (__u32 step = 0; step < STEPS_AT_ONCE; step++)
		if (visit_netns(step, walk))
			return walk->complete ? walk->found : -1;
	bpf_tail_call(ctx, &netns_steps, 0);
	return -1;
}

/* As `list_netns`, for at most 33 * STEPS_AT_ONCE namespaces. */
SEC("?raw_tp")
int list_netns_in_steps(void *ctx)
{
	__u32 only = 0;
	struct netns_walk *walk = bpf_map_lookup_elem(&netns_walks, &only);

	if (walk)
		start_netns_walk(walk);
	bpf_tail_call(ctx, &netns_steps, 0);
	return -1;
}

#endif
