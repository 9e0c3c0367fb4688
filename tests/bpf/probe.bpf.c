// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One small program of each kind that the loader serves. The hook is setting a process's name: rare, and a test can
 * make exactly one by writing to /proc/self/comm.
 */
#include "types.h"
#include "events.h"
#include "hist.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

const volatile __u32 factor = 1;
const volatile __u64 only_tgid;
const volatile __u8 event_copies = 1;

struct row {
	netns_ino netns;
	__u32 pad;
	__u64 values[4];
};

struct key {
	__u32 tgid;
	__u16 zero;
	__u8 name[2];
};

struct renames {
	__u64 count;
	__u64 twice;
};

struct event {
	__u64 sequence;
	__u32 tgid;
	__u32 pad;
	__u8 name[16];
};
DESCRIBED(struct event);

struct task_row {
	__u64 number;
};
DESCRIBED(struct task_row);

struct scan_context {
	__u32 rows;
	__u32 written;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, struct row);
} rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4);
	__type(key, struct key);
	__type(value, struct renames);
} renames SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10000);
	__type(key, __u32);
	__type(value, __u64);
} plain SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hist);
} sizes SEC(".maps");

SEC("syscall")
int fill(struct scan_context *ctx)
{
	for (__u32 i = 0; i < 16; i++) {
		__u32 key = i;
		struct row *row = bpf_map_lookup_elem(&rows, &key);

		if (!row || i >= ctx->rows)
			break;
		row->netns = 4026531840u + i;
		for (int j = 0; j < 4; j++)
			row->values[j] = (__u64)factor * i * (j + 1);
		ctx->written = i + 1;
	}
	return -7;
}

struct task_struct___test {
	int tgid;
} __attribute__((preserve_access_index));

SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct___test *task, const char *comm)
{
	struct renames none = {}, *found;
	struct event event = {};
	struct key key = {};
	struct hist *hist;
	__u32 zero = 0;

	if (only_tgid && BPF_CORE_READ(task, tgid) != only_tgid)
		return 0;
	key.tgid = event.tgid = BPF_CORE_READ(task, tgid);
	bpf_probe_read_kernel(key.name, sizeof(key.name), comm);
	found = lookup_or_init(&renames, &key, &none);
	if (!found)
		return 0;
	add(&found->count, 1);
	add(&found->twice, 2);
	hist = bpf_map_lookup_elem(&sizes, &zero);
	if (hist)
		hist_add(hist, found->count);
	bpf_probe_read_kernel_str(event.name, sizeof(event.name), comm);
	for (__u32 i = 0; i < event_copies; i++) {
		event.sequence = i;
		event_send(&event, sizeof(event));
	}
	return 0;
}

struct bpf_iter_meta___test {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__task___test {
	struct bpf_iter_meta___test *meta;
	struct task_struct___test *task;
} __attribute__((preserve_access_index));

SEC("?iter/task")
int tasks(struct bpf_iter__task___test *ctx)
{
	struct task_struct___test *task = ctx->task;
	struct task_row row = {};

	if (!task)
		return 0;
	row.number = task->tgid;
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

SEC("?fentry/tcp_v4_connect")
int BPF_PROG(on_connect)
{
	return 0;
}

SEC("?tp_btf/task_rename")
int BPF_PROG(rejected, struct task_struct___test *task)
{
	return *(int *)(long)bpf_get_prandom_u32();
}

SEC("?tp_btf/no_such_tracepoint")
int BPF_PROG(on_nothing)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
