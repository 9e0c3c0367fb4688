/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Packets on their way between two hooks, under the address of their sk_buff. Where they are sampled, who begins
 * something draws lots, and whoever ends something finds only what was drawn.
 *
 * Not a hash map: its update costs more than all else here, and these programs run for every packet. An array of small
 * sets is looked up in a few nanoseconds and needs no lock, because a packet is in one hand at a time: only who takes a
 * place from another one has to be careful. When a set is full the oldest goes, and is counted as unfinished.
 *
 * An address is given to another packet as soon as its first owner is freed. So whoever begins something overwrites
 * what he finds, or clears it when the lot does not fall on him, and a program on kfree_skb forgets what is dropped.
 * Most packets go by consume_skb, which nobody watches for it would cost each of them a run: what may come to an end
 * without having begun, such as a clone, is known by a mark that differs from the one of whoever had its address before.
 */
#ifndef PACKETS_H
#define PACKETS_H

#include "maps.h"
#include "sampling.h"

#define PACKETS_PER_SET 4

struct packet {
	__u64 since;
	__u32 kind;
	__u32 mark; /* the program's own, the same at the end */
	__u64 midway; /* when it was between the two; 0 where nobody looked */
};

struct packet_set {
	__u64 owners[PACKETS_PER_SET]; /* 0: nobody's place. Side by side, as mostly nothing else is looked at */
	struct packet packets[PACKETS_PER_SET];
#ifdef WITHOUT_EXCHANGE
	__u64 takers; /* how many try to change whose a place is */
#endif
};

const volatile __u32 packet_sets = 1; /* as many as the map has; both are set before load */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet_set);
} packets SEC(".maps");

/* Whose a place is: a packet's, and where it may have several at a time, for which part of its way. */
static __always_inline __u64 owner_of(__u64 skb, __u32 part)
{
	return (__u64)number_of(skb) << 32 | part;
}

static __always_inline struct packet_set *set_of(__u64 skb)
{
	__u32 set = ((__u64)(number_of(skb) * GOLDEN) * packet_sets) >> 32; /* its lowest bits are 0 */

	return bpf_map_lookup_elem(&packets, &set);
}

/*
 * Let a place be another's, unless it has become a third one's meanwhile. Before Linux 5.12 there is no exchange: who
 * finds another one at it leaves everything as it is, and where two come at once neither of them does anything.
 */
static __always_inline int change_owner(struct packet_set *set, __u64 *here, __u64 from, __u64 to)
{
#ifdef WITHOUT_EXCHANGE
	int alone;

	__sync_fetch_and_add(&set->takers, 1);
	alone = *(volatile __u64 *)&set->takers == 1 && *(volatile __u64 *)here == from;
	if (alone)
		*(volatile __u64 *)here = to;
	__sync_fetch_and_add(&set->takers, -1);
	return alone;
#else
	return __sync_val_compare_and_swap(here, from, to) == from;
#endif
}

/* Its own place, else an unused one, else that of the oldest. */
static __always_inline __u32 place_in(const struct packet_set *set, __u64 owner)
{
	__u32 oldest = 0, unused = PACKETS_PER_SET;

	for (__u32 i = 0; i < PACKETS_PER_SET; i++) {
		if (set->owners[i] == owner)
			return i;
		if (!set->owners[i])
			unused = i;
		if (set->packets[i].since < set->packets[oldest & (PACKETS_PER_SET - 1)].since)
			oldest = i;
	}
	return unused < PACKETS_PER_SET ? unused : oldest;
}

static __always_inline void forget_in(struct packet_set *set, __u64 owner)
{
	for (int i = 0; i < PACKETS_PER_SET; i++)
		if (set->owners[i] == owner)
			change_owner(set, &set->owners[i], owner, 0); /* unless it was taken meanwhile */
}

/* Where to put what begins with this packet; NULL where the lot falls on others. */
static __always_inline struct packet_set *packet_chosen(__u64 skb)
{
	struct packet_set *set = set_of(skb);

	if (!set || measured_by_chance())
		return set;
	forget_in(set, owner_of(skb, 0));
	return NULL;
}

static __always_inline void packet_begin(struct packet_set *set, __u64 owner, __u32 kind, __u32 mark, __u64 now)
{
	__u32 place = place_in(set, owner) & (PACKETS_PER_SET - 1); /* the mask is for the verifier */
	__u64 before = set->owners[place];

	if (before != owner) {
		if (before)
			count_fault(FAULT_UNFINISHED);
		if (!change_owner(set, &set->owners[place], before, owner)) {
			count_fault(FAULT_UNFINISHED); /* another CPU took the place at this very moment */
			return;
		}
	}
	set->packets[place].kind = kind;
	set->packets[place].mark = mark;
	set->packets[place].midway = 0;
	set->packets[place].since = now;
}

static __always_inline void packet_midway(__u64 skb)
{
	struct packet_set *set = set_of(skb);

	if (!set)
		return;
	for (int i = 0; i < PACKETS_PER_SET; i++)
		if (set->owners[i] == owner_of(skb, 0))
			set->packets[i].midway = bpf_ktime_get_ns();
}

/* Whether something had begun, what that was, and the end of it. */
static __always_inline int packet_end(struct packet_set *set, __u64 owner, struct packet *what)
{
	for (int i = 0; i < PACKETS_PER_SET; i++) {
		if (set->owners[i] == owner) {
			*what = set->packets[i];
			return change_owner(set, &set->owners[i], owner, 0); /* unless it was taken meanwhile */
		}
	}
	return 0;
}

SEC("tp_btf/kfree_skb")
int packet_dropped(__u64 *ctx)
{
	struct packet_set *set = set_of(ctx[0]);

	if (set)
		forget_in(set, owner_of(ctx[0], 0));
	return 0;
}

#endif
