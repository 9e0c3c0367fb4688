// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Whether a file with the kernel's types fits the kernel: reads what user space knows too, through such types.
 *
 * Hook: none; a raw tracepoint program that user space runs once. Kernel: 5.10, for such a run.
 */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

SEC("raw_tp/sched_switch")
int own_process(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, tgid);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
