// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How many files and sockets every process has open, in one run.
 *
 * Hook: the iterator over the files of tasks, which user space reads once per cycle. It goes through the processes one
 * by one, so what is counted of one is written when the next begins. Kernel: 5.8.
 */
#include "types.h"
#include <bpf/bpf_helpers.h>

#define SOCKFS_MAGIC 0x534f434b /* linux/magic.h */

struct process_files {
	__u32 pid; /* of the initial namespace */
	__u32 opened;
	__u32 sockets;
};

DESCRIBED(struct process_files);

struct process_files current; /* one reader at a time */

/* Whether there is room. Where there is none, the kernel empties the buffer and calls again with the same file. */
static __always_inline int write_current(struct seq_file *seq)
{
	return !current.pid || !bpf_seq_write(seq, &current, sizeof(current));
}

SEC("iter/task_file")
int files(struct bpf_iter__task_file *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;

	if (!task || !file) { /* after the last */
		if (write_current(seq))
			current.pid = 0;
		return 0;
	}
	if (task->pid != task->tgid) /* a thread with files of its own, which /proc/<pid>/fd does not show */
		return 0;
	if (current.pid != task->tgid) {
		if (!write_current(seq))
			return 0;
		current = (struct process_files){.pid = task->tgid};
	}
	current.opened++;
	current.sockets += file->f_inode->i_sb->s_magic == SOCKFS_MAGIC;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
