// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What every process has read and written, as /proc/<pid>/io prints it, in one run.
 *
 * Hook: the iterator over tasks, which user space reads once per cycle. Kernel: 5.17, for bpf_loop.
 *
 * A process has what its ended threads and the children it waited for had done (signal_struct) and what each of its
 * threads has done. A thread that ends moves its part from here to there, under a lock whose sequence number tells
 * whether both were read at the same moment.
 */
#include "types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define MOST_THREADS (1 << 22) /* PID_MAX_LIMIT in linux/threads.h */
#define ATTEMPTS 8

struct process_io {
	__u32 pid; /* of the initial namespace */
	__u32 parent;
	__u64 started; /* nanoseconds after boot */
	__u64 torn; /* whether threads kept ending while it was read, so that the counters mean nothing */
	__u64 rchar;
	__u64 wchar;
	__u64 syscr;
	__u64 syscw;
	__u64 read_bytes;
	__u64 write_bytes;
	__u64 cancelled_write_bytes;
};

DESCRIBED(struct process_io);

struct thread_walk {
	struct list_head *first;
	struct list_head *here;
	struct process_io *sum;
	__u64 complete;
};

static __always_inline void add_io(struct process_io *sum, const struct task_io_accounting *io)
{
	sum->rchar += BPF_CORE_READ(io, rchar);
	sum->wchar += BPF_CORE_READ(io, wchar);
	sum->syscr += BPF_CORE_READ(io, syscr);
	sum->syscw += BPF_CORE_READ(io, syscw);
	sum->read_bytes += BPF_CORE_READ(io, read_bytes);
	sum->write_bytes += BPF_CORE_READ(io, write_bytes);
	sum->cancelled_write_bytes += BPF_CORE_READ(io, cancelled_write_bytes);
}

static long visit_thread(__u32 index, struct thread_walk *walk)
{
	struct list_head *here = walk->here; /* a relocated read must not begin at a struct of our own */
	struct task_struct *thread = (void *)here - bpf_core_field_offset(struct task_struct, thread_node);
	struct list_head *next = BPF_CORE_READ(here, next);

	add_io(walk->sum, __builtin_preserve_access_index(&thread->ioac));
	walk->here = next;
	walk->complete = next == walk->first;
	return walk->complete || !next;
}

static __always_inline __u32 sequence_of(struct signal_struct *signal)
{
	return BPF_CORE_READ(signal, stats_lock.seqcount.seqcount.sequence);
}

/* Whether all was read at one moment. */
static __always_inline int read_whole(struct signal_struct *signal, struct process_io *io)
{
	struct list_head *first = __builtin_preserve_access_index(&signal->thread_head);
	struct thread_walk walk = {.first = first, .here = BPF_CORE_READ(first, next), .sum = io};
	__u32 before = sequence_of(signal);

	if (before & 1) /* somebody is writing */
		return 0;
	add_io(io, __builtin_preserve_access_index(&signal->ioac));
	if (walk.here != first)
		bpf_loop(MOST_THREADS, visit_thread, &walk, 0);
	return (walk.complete || walk.here == first) && sequence_of(signal) == before;
}

SEC("iter/task")
int processes(struct bpf_iter__task *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct process_io io;

	if (!task || task->pid != task->tgid)
		return 0;
	for (int i = 0; i < ATTEMPTS; i++) {
		__builtin_memset(&io, 0, sizeof(io));
		io.torn = !read_whole(task->signal, &io);
		if (!io.torn)
			break;
	}
	io.pid = task->pid;
	io.parent = BPF_CORE_READ(task, real_parent, tgid);
	io.started = task->start_boottime;
	bpf_seq_write(seq, &io, sizeof(io)); /* where the buffer is full the kernel calls again */
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
