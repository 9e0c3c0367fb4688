/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One record for all events about what a process waits for other than packets, and who the process is.
 * Kernel: 5.8, for ring buffers.
 */
#ifndef TASK_EVENTS_H
#define TASK_EVENTS_H

#include "event_stacks.h"
#include "netns_cookie.h"

#define PF_KTHREAD 0x00200000 /* linux/sched.h */

struct event_task {
	netns_cookie cookie; /* this and the inode: 0 for the kernel's own threads, which work for anybody */
	netns_ino netns;
	__u32 pid;
	__u8 command[16];
};

struct task_event {
	__u64 time; /* ns, bpf_ktime_get_ns */
	netns_cookie cookie;
	__u64 took; /* ns */
	__u64 waited; /* ns of these, until it began */
	__u64 place; /* the probe's own, such as the sector of a disk */
	__u8 device[32]; /* name, empty where it is not known */
	__u8 command[16]; /* name of the thread */
	netns_ino netns;
	__u32 pid;
	__u32 cpu;
	__u32 amount; /* the probe's own, such as bytes */
	__u32 kind; /* the same */
	__u32 detail; /* the same */
};

/* What is sent: the latter part only with `event_stacks`. */
struct traced_task_event {
	struct task_event event;
	__u64 stack[MOST_FRAMES]; /* innermost first, then zeros */
};

DESCRIBED(struct task_event);
DESCRIBED(struct traced_task_event);

/* Who runs now; `task` must be zero. */
static __always_inline void note_task(struct event_task *task)
{
	struct task_struct *current = (void *)bpf_get_current_task();
	struct net *net;

	task->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(task->command, sizeof(task->command));
	if (BPF_CORE_READ(current, flags) & PF_KTHREAD)
		return;
	net = checked_netns(BPF_CORE_READ(current, nsproxy, net_ns)); /* a process that is ending has none any more */
	if (net) {
		task->cookie = known_cookie(net);
		task->netns = BPF_CORE_READ(net, ns.inum);
	}
}

static __always_inline void event_of_task(struct task_event *event, const struct event_task *task)
{
	event->cookie = task->cookie;
	event->netns = task->netns;
	event->pid = task->pid;
	__builtin_memcpy(event->command, task->command, sizeof(event->command));
}

static __always_inline void task_event_time(struct task_event *event)
{
	event->time = bpf_ktime_get_ns();
	event->cpu = bpf_get_smp_processor_id();
}

/* Without a stack, where it would be that of whoever is interrupted. */
static __always_inline void task_event_tell(struct task_event *event)
{
	task_event_time(event);
	event_submit(event, sizeof(*event));
}

static __always_inline void traced_task_event_tell(void *ctx, struct traced_task_event *traced)
{
	task_event_time(&traced->event);
	event_submit_traced(ctx, traced, sizeof(traced->event));
}

#endif
