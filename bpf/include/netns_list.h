/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * To which network namespace something belongs, and the list of namespaces that are alive.
 *
 * Programs keep what they find under the cookie of the namespace, which is never given away again, rather than under
 * its inode, which the next namespace gets. `list_netns` says which cookie has which inode now: so user space neither
 * shows what belongs to a dead pod under the name of a new one, nor keeps what nobody will ask for.
 *
 * Kernel: 5.17, for bpf_loop; from 5.10 on `list_netns_in_steps` does the same. exporter/bpf/live_netns.py takes the
 * one that the kernel can run.
 */
#ifndef NETNS_LIST_H
#define NETNS_LIST_H

#include "types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define MOST_NETNS 8192
#define STEPS_AT_ONCE 64 /* which the kernel lets happen 33 times */

typedef __u64 netns_cookie; /* 0 where the namespace of a packet cannot be told */

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

/* A namespace knows its loopback device and that device its namespace. No other memory looks like this. */
static __always_inline int is_netns(struct net *net)
{
	return net && BPF_CORE_READ(net, loopback_dev, nd_net.net) == net;
}

/* Before Linux 5.12 few have a cookie: there the number by which each differs in its hashes, which is random. */
static __always_inline netns_cookie known_cookie(struct net *net)
{
	if (bpf_core_field_exists(net->net_cookie))
		return BPF_CORE_READ(net, net_cookie);
	return (netns_cookie)BPF_CORE_READ(net, hash_mix) << 32 | BPF_CORE_READ(net, ns.inum);
}

static __always_inline netns_cookie cookie_of_netns(struct net *net)
{
	return is_netns(net) ? known_cookie(net) : 0;
}

static __always_inline netns_cookie cookie_of_sock(const struct sock *sk)
{
	return sk ? cookie_of_netns(BPF_CORE_READ(sk, __sk_common.skc_net.net)) : 0;
}

/*
 * By its device, else by its route, else by its socket; 0 when none of them tells. The device goes first, because a
 * packet that crossed into another namespace keeps the socket that sent it. Each is checked, because queues keep
 * other data in the place of the device and of the route.
 */
static __always_inline netns_cookie cookie_of_skb(const struct sk_buff *skb)
{
	struct net_device *dev = BPF_CORE_READ(skb, dev);
	netns_cookie cookie = dev ? cookie_of_netns(BPF_CORE_READ(dev, nd_net.net)) : 0;
	struct dst_entry *dst;

	if (cookie)
		return cookie;
	dst = (struct dst_entry *)(BPF_CORE_READ(skb, _skb_refdst) & ~1ul); /* the lowest bit says who counts it */
	cookie = dst ? cookie_of_netns(BPF_CORE_READ(dst, dev, nd_net.net)) : 0;
	return cookie ? cookie : cookie_of_sock(BPF_CORE_READ(skb, sk));
}

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
