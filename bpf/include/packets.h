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
 * what he finds, or clears it when the lot does not fall on him, and programs on kfree_skb and consume_skb call
 * packet_forget.
 */
#ifndef PACKETS_H
#define PACKETS_H

#include "maps.h"
#include "sampling.h"

#define PACKETS_PER_SET 4

struct packet {
	__u64 skb; /* 0: nobody's place */
	__u64 since;
	__u64 kind;
};

struct packet_set {
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

static __always_inline struct packet_set *set_of(__u64 skb)
{
	__u32 set = ((__u64)(number_of(skb) * GOLDEN) * packet_sets) >> 32; /* its lowest bits are 0 */

	return bpf_map_lookup_elem(&packets, &set);
}

/*
 * Let a place be another's, unless it has become a third one's meanwhile. Before Linux 5.12 there is no exchange: who
 * finds another one at it leaves everything as it is, and where two come at once neither of them does anything.
 */
static __always_inline int change_owner(struct packet_set *set, struct packet *here, __u64 from, __u64 to)
{
#ifdef WITHOUT_EXCHANGE
	int alone;

	__sync_fetch_and_add(&set->takers, 1);
	alone = *(volatile __u64 *)&set->takers == 1 && *(volatile __u64 *)&here->skb == from;
	if (alone)
		*(volatile __u64 *)&here->skb = to;
	__sync_fetch_and_add(&set->takers, -1);
	return alone;
#else
	return __sync_val_compare_and_swap(&here->skb, from, to) == from;
#endif
}

/* Its own place, else an unused one, else that of the oldest. */
static __always_inline struct packet *place_in(struct packet_set *set, __u64 skb)
{
	__u32 oldest = 0, unused = PACKETS_PER_SET;

	for (__u32 i = 0; i < PACKETS_PER_SET; i++) {
		__u64 owner = set->packets[i].skb;

		if (owner == skb)
			return &set->packets[i];
		if (!owner)
			unused = i;
		if (set->packets[i].since < set->packets[oldest & (PACKETS_PER_SET - 1)].since)
			oldest = i;
	}
	if (unused < PACKETS_PER_SET)
		return &set->packets[unused];
	return &set->packets[oldest & (PACKETS_PER_SET - 1)]; /* the mask is for the verifier */
}

static __always_inline void forget_in(struct packet_set *set, __u64 skb)
{
	for (int i = 0; i < PACKETS_PER_SET; i++)
		if (set->packets[i].skb == skb)
			change_owner(set, &set->packets[i], skb, 0); /* unless it was taken meanwhile */
}

static __always_inline int packet_forget(__u64 skb)
{
	struct packet_set *set = set_of(skb);

	if (set)
		forget_in(set, skb);
	return 0;
}

static __always_inline void packet_begin(__u64 skb, __u64 kind)
{
	struct packet_set *set = set_of(skb);
	struct packet *here;
	__u64 owner;

	if (!set)
		return;
	if (!measured_by_chance()) {
		forget_in(set, skb);
		return;
	}
	here = place_in(set, skb);
	owner = here->skb;
	if (owner != skb) {
		if (owner)
			count_fault(FAULT_UNFINISHED);
		if (!change_owner(set, here, owner, skb)) {
			count_fault(FAULT_UNFINISHED); /* another CPU took the place at this very moment */
			return;
		}
	}
	here->kind = kind;
	here->since = bpf_ktime_get_ns();
}

/* Whether something had begun, what that was, and the end of it. */
static __always_inline int packet_end(__u64 skb, struct packet *what)
{
	struct packet_set *set = set_of(skb);

	if (!set)
		return 0;
	for (int i = 0; i < PACKETS_PER_SET; i++) {
		struct packet *here = &set->packets[i];

		if (here->skb == skb) {
			*what = *here;
			return change_owner(set, here, skb, 0); /* unless it was taken meanwhile */
		}
	}
	return 0;
}

SEC("tp_btf/kfree_skb")
int packet_dropped(__u64 *ctx)
{
	return packet_forget(ctx[0]);
}

SEC("tp_btf/consume_skb")
int packet_consumed(__u64 *ctx)
{
	return packet_forget(ctx[0]);
}

#endif
