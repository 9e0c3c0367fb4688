/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One row of numbers per network namespace, all filled in one run of the program `scan`.
 *
 * To be included by a program that has defined `struct row`, whose first member is `__u64 inode`, and
 *
 *	static int read_row(struct row *row, struct net *net, __u32 cpus);
 *
 * which fills the rest of it and returns 0 where something could not be read. It may define `before_rows`, to be run
 * once before the first row, as well; a result other than 0 ends the run.
 *
 * Hook: none; a `syscall` program that user space runs once per cycle. All namespaces hang on one list, and the
 * caller's own is a way in. Nothing keeps a namespace from ending while it is read, and the memory from being used
 * again: hence reads that may fault, and a row only counts when the namespace is still on the list, under the same
 * inode, after it was read. A row that is missing costs user space a visit.
 */
#ifndef NETNS_ROWS_H
#define NETNS_ROWS_H

#include "percpu.h"

#define MAX_NAMESPACES 65536 /* walked at most */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16); /* set by user space */
	__type(key, __u32);
	__type(value, struct row); /* inode 0: the namespace ended while it was read */
} rows SEC(".maps");

/* What user space learns besides the rows. */
struct outcome {
	__u64 namespaces; /* seen, whether there was room for them or not */
	__u64 rows;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct outcome);
} outcomes SEC(".maps");

struct rows_walk {
	struct list_head *first, *position;
	const void *operations; /* the same in every namespace, and not in what the list's head lies in */
	struct outcome *outcome;
	__u32 cpus;
};

static int read_row(struct row *row, struct net *net, __u32 cpus);

#ifndef before_rows
#define before_rows(own) 0
#endif

static long fill_row(__u32 index, struct rows_walk *walk)
{
	struct list_head *position = walk->position, *next = BPF_CORE_READ(position, next);
	struct net *net = (void *)position - bpf_core_field_offset(struct net, list);
	struct outcome *outcome = walk->outcome;
	__u32 key = outcome->rows;
	struct row *row;
	__u32 inode;

	walk->position = next;
	if (BPF_CORE_READ(net, ns.ops) == walk->operations) {
		outcome->namespaces++;
		row = bpf_map_lookup_elem(&rows, &key);
		if (row) {
			inode = BPF_CORE_READ(net, ns.inum);
			outcome->rows = key + 1;
			if (!read_row(row, net, walk->cpus) || BPF_CORE_READ(next, prev) != position ||
			    BPF_CORE_READ(net, ns.inum) != inode)
				inode = 0;
			row->inode = inode;
		}
	}
	return !next || next == walk->first;
}

SEC("syscall")
int scan(void *context)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct net *own = BPF_CORE_READ(task, nsproxy, net_ns);
	struct rows_walk walk = {};
	__u32 zero = 0;

	walk.outcome = bpf_map_lookup_elem(&outcomes, &zero);
	walk.cpus = learn_cpus();
	if (!walk.outcome || !walk.cpus || before_rows(own))
		return 1;
	walk.operations = BPF_CORE_READ(own, ns.ops);
	walk.first = walk.position = (void *)own + bpf_core_field_offset(struct net, list);
	walk.outcome->namespaces = walk.outcome->rows = 0;
	bpf_loop(MAX_NAMESPACES, fill_row, &walk, 0);
	return 0;
}

#endif
