// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Neighbour entries of every network namespace by address family and state, as RTM_GETNEIGH lists them.
 *
 * Hook: none; a `syscall` program that user space runs once per cycle. Kernel: 5.17, for bpf_loop.
 *
 * Each family has one table for all namespaces, and the loopback device of any of them leads to it. Nothing keeps an
 * entry from ending while it is read, and the memory from being used again: an entry that is not of the table ends the
 * run, as does a table that was replaced by a larger one, and user space runs it again.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define STATES 8 /* bits of a state */
#define MOST_BUCKETS (1 << 24)
#define MOST_IN_BUCKET 65536

enum family { IPV4, IPV6, FAMILIES };
enum result { DONE, TORN, FULL };

struct neighbours {
	__u64 run; /* in which they were counted */
	__u32 ipv4[STATES];
	__u32 ipv6[STATES];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024); /* set by user space */
	__type(key, __u64); /* inode of the namespace */
	__type(value, struct neighbours);
} namespaces SEC(".maps");

static __u64 run;

struct neighbours_walk {
	struct neigh_table *table;
	const void *buckets;
	const void *entry;
	enum family family;
	enum result result;
};

static __always_inline struct neighbours *neighbours_of(struct neighbour *entry)
{
	__u64 inode = BPF_CORE_READ(entry, dev, nd_net.net, ns.inum);
	struct neighbours empty = {.run = run}, *found = bpf_map_lookup_elem(&namespaces, &inode);

	if (found && found->run == run)
		return found;
	bpf_map_update_elem(&namespaces, &inode, &empty, BPF_ANY);
	return bpf_map_lookup_elem(&namespaces, &inode);
}

static __always_inline const void *following(struct neighbour *entry)
{
	struct neighbour___chained *chained = (void *)entry;

	return bpf_core_field_exists(chained->next) ? (void *)BPF_CORE_READ(chained, next)
						    : (void *)BPF_CORE_READ(entry, hash.next);
}

static long count_entry(__u32 index, struct neighbours_walk *walk)
{
	struct neighbour *entry = (void *)walk->entry;
	struct neighbours *counts;
	__u32 bit;

	if (!entry)
		return 1;
	if (BPF_CORE_READ(entry, tbl) != walk->table) {
		walk->result = TORN;
		return 1;
	}
	walk->entry = following(entry);
	for (bit = 0; bit < STATES; bit++)
		if (BPF_CORE_READ(entry, nud_state) == 1 << bit)
			break;
	counts = neighbours_of(entry);
	if (!counts) {
		walk->result = FULL;
		return 1;
	}
	if (bit < STATES) {
		if (walk->family == IPV4)
			counts->ipv4[bit]++;
		else
			counts->ipv6[bit]++;
	}
	return 0;
}

static long count_bucket(__u32 index, struct neighbours_walk *walk)
{
	const void *bucket = walk->buckets + (__u64)index * sizeof(void *); /* a head is but a pointer */

	bpf_probe_read_kernel(&walk->entry, sizeof(walk->entry), bucket);
	bpf_loop(MOST_IN_BUCKET, count_entry, walk, 0);
	return walk->result != DONE;
}

static __always_inline enum result count_table(struct neigh_table *table, enum family family)
{
	struct neigh_hash_table *hash = BPF_CORE_READ(table, nht);
	struct neigh_hash_table___chained *chained = (void *)hash;
	struct neighbours_walk walk = {.table = table, .family = family};
	__u32 shift = BPF_CORE_READ(hash, hash_shift) & 31;

	walk.buckets = bpf_core_field_exists(chained->hash_buckets) ? (void *)BPF_CORE_READ(chained, hash_buckets)
								    : (void *)BPF_CORE_READ(hash, hash_heads);
	if (!walk.buckets || 1 << shift > MOST_BUCKETS)
		return TORN;
	bpf_loop(1 << shift, count_bucket, &walk, 0);
	return walk.result == DONE && BPF_CORE_READ(table, nht) != hash ? TORN : walk.result;
}

/* Gives back an enum result. */
SEC("syscall")
int scan(void *context)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct net_device *loopback = BPF_CORE_READ(task, nsproxy, net_ns, loopback_dev);
	struct inet6_dev *six = BPF_CORE_READ(loopback, ip6_ptr);
	enum result result;

	run++;
	result = count_table(BPF_CORE_READ(loopback, ip_ptr, arp_parms, tbl), IPV4);
	if (result == DONE && six)
		result = count_table(BPF_CORE_READ(six, nd_parms, tbl), IPV6);
	return result;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
