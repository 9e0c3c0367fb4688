// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long soft interrupts wait until they run, and how long they run, by type.
 *
 * Hooks: irq:softirq_raise, irq:softirq_entry, irq:softirq_exit, always on the CPU that the type was raised on. A type
 * that is raised again before it runs waits since the first time. Where they are sampled, a lot is drawn when a type
 * is raised, for how it waits and for how it then runs. Kernel: 5.10.
 */
#include "net_events.h"
#include "sampling.h"
#include "times.h"
#include "vmlinux.h"

const volatile __u32 types = 0xffffffff; /* bit i: measure type i */

/* As in linux/interrupt.h; programs read their order in /proc/softirqs. */
enum softirq_type {
	SOFTIRQ_HI,
	SOFTIRQ_TIMER,
	SOFTIRQ_NET_TX,
	SOFTIRQ_NET_RX,
	SOFTIRQ_BLOCK,
	SOFTIRQ_IRQ_POLL,
	SOFTIRQ_TASKLET,
	SOFTIRQ_SCHED,
	SOFTIRQ_HRTIMER,
	SOFTIRQ_RCU,
	SOFTIRQ_TYPES,
};
DESCRIBED(enum softirq_type);

enum phase {
	PHASE_SCHEDULE, /* from raise to entry */
	PHASE_EXECUTE, /* from entry to exit */
	PHASES,
};
DESCRIBED(enum phase);

enum { TIMES = PHASES * SOFTIRQ_TYPES };

#define NOT_MEASURED 1 /* no time ever: it waits, but the lot fell on others */

/* When the type was first raised and began to run; 0: it does not wait, or does not run or is not measured. */
struct since {
	__u64 raised[2];
	__u64 entered;
	__u64 turn; /* which of `raised` is filled now, by its lowest bit */
	__u64 waited; /* ns, the one that runs; 0 where that is not known */
};

/* By type. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SOFTIRQ_TYPES);
	__type(key, __u32);
	__type(value, struct since);
} since SEC(".maps");

/* By phase * SOFTIRQ_TYPES + type. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TIMES);
	__type(key, __u32);
	__type(value, struct times);
} times SEC(".maps");

static __always_inline struct since *since_of(__u32 type)
{
	if (type >= SOFTIRQ_TYPES || !(types & 1U << type))
		return NULL;
	return bpf_map_lookup_elem(&since, &type);
}

static __always_inline void record(enum phase phase, __u32 type, __u64 nanoseconds)
{
	__u32 key = phase * SOFTIRQ_TYPES + type;
	struct times *all = bpf_map_lookup_elem(&times, &key);

	if (all)
		times_add(all, nanoseconds);
}

/* Here a kind is a phase, and the reason the type. */
static __always_inline void tell(void *ctx, enum phase phase, __u32 type, __u64 waited, __u64 took)
{
	struct traced_net_event traced = {.event.kind = phase, .event.reason = type, .event.amount = 1};

	traced.event.latency = event_span(took);
	traced.event.detail = event_span(waited);
	traced.event.cpu = bpf_get_smp_processor_id();
	traced.event.pid = bpf_get_current_pid_tgid() >> 32;
	event_tell(ctx, &traced);
}

SEC("tp_btf/softirq_raise")
int softirq_raise(__u64 *ctx)
{
	struct since *since = since_of(ctx[0]);
	__u64 *raised;

	if (!since)
		return 0;
	raised = &since->raised[since->turn & 1];
	if (!*raised) /* with interrupts off, so nobody comes between */
		*raised = measured_by_chance() ? bpf_ktime_get_ns() : NOT_MEASURED;
	return 0;
}

SEC("tp_btf/softirq_entry")
int softirq_entry(__u64 *ctx)
{
	__u32 type = ctx[0];
	struct since *since = since_of(type);
	__u64 turn, raised;

	if (!since)
		return 0;
	/* An interrupt may raise the type anew at any moment: from the next line on into the other place. 0 where the last
	 * entry served a second raise as well: the kernel clears what is pending before it runs the first type. Or where
	 * the raise was before we watched. */
	turn = *(volatile __u64 *)&since->turn;
	*(volatile __u64 *)&since->turn = turn + 1;
	raised = *(volatile __u64 *)&since->raised[turn & 1];
	since->raised[turn & 1] = 0;
	if (raised == NOT_MEASURED || (!raised && !measured_by_chance()))
		return 0;
	since->entered = bpf_ktime_get_ns();
	since->waited = raised ? since->entered - raised : 0;
	if (!raised)
		return 0;
	record(PHASE_SCHEDULE, type, since->waited);
	if (since->waited > slow_ns && event_wanted())
		tell(ctx, PHASE_SCHEDULE, type, 0, since->waited);
	return 0;
}

SEC("tp_btf/softirq_exit")
int softirq_exit(__u64 *ctx)
{
	__u32 type = ctx[0];
	struct since *since = since_of(type);
	__u64 took;

	if (!since || !since->entered)
		return 0;
	took = bpf_ktime_get_ns() - since->entered;
	record(PHASE_EXECUTE, type, took);
	if (took > slow_ns && event_wanted())
		tell(ctx, PHASE_EXECUTE, type, since->waited, took);
	since->entered = 0;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
