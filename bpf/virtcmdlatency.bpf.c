// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long the host takes for the control commands of virtio network devices, such as setting addresses or filters.
 *
 * Hooks: entry and return of virtnet_send_command of the module virtio_net, which waits for the answer while it holds
 * the lock of the network configuration. Newer kernels make it of virtnet_send_command_reply, which is then the one.
 * fexit programs where the kernel has them and describes its modules, else kprobes. Kernel: 5.10.
 *
 * A command begins and ends in the same thread, though not on the same CPU, and none begins within another. Events tell
 * who waited for it, on which device, and what it was: class and number, as in linux/virtio_net.h.
 */
#include "kprobe.h"
#include "maps.h"
#include "task_events.h"
#include "times.h"
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>

#define IFNAMSIZ 16 /* linux/if.h */

struct command {
	__u64 begun;
	struct virtnet_info *device;
	__u32 class;
	__u32 number;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024); /* set before load */
	__type(key, __u32); /* thread */
	__type(value, struct command); /* which it began */
} commands SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct times);
} times SEC(".maps");

static __always_inline int begin(struct virtnet_info *device, __u8 class, __u8 number)
{
	__u32 thread = bpf_get_current_pid_tgid();
	struct command command = {.device = device, .class = class, .number = number};

	command.begun = bpf_ktime_get_ns();
	bpf_map_update_elem(&commands, &thread, &command, BPF_ANY);
	return 0;
}

static __always_inline void tell(void *ctx, const struct command *command, __u64 took)
{
	struct traced_task_event traced = {.event.took = took};
	const struct virtnet_info *info = command->device; /* a relocated read must not begin at a struct of our own */
	struct event_task task = {};
	struct net_device *device = NULL;

	traced.event.kind = command->class;
	traced.event.detail = command->number;
	if (bpf_core_field_exists(info->dev)) /* the types of the module may not be known */
		device = BPF_CORE_READ(info, dev);
	if (device)
		bpf_core_read(traced.event.device, IFNAMSIZ, &device->name);
	note_task(&task);
	event_of_task(&traced.event, &task);
	traced_task_event_tell(ctx, &traced);
}

static __always_inline int end(void *ctx)
{
	__u32 thread = bpf_get_current_pid_tgid(), zero = 0;
	struct command *command = bpf_map_lookup_elem(&commands, &thread);
	struct times *all = bpf_map_lookup_elem(&times, &zero);
	__u64 took;

	if (command && all) {
		took = bpf_ktime_get_ns() - command->begun;
		times_add(all, took);
		if (took > slow_ns && event_wanted())
			tell(ctx, command, took);
	}
	if (!command)
		count_fault(FAULT_UNFINISHED);
	bpf_map_delete_elem(&commands, &thread);
	return 0;
}

SEC("?fentry/virtnet_send_command_reply")
int reply_begin(__u64 *ctx)
{
	return begin((void *)ctx[0], ctx[1], ctx[2]);
}

SEC("?fexit/virtnet_send_command_reply")
int reply_end(void *ctx)
{
	return end(ctx);
}

SEC("?kprobe/virtnet_send_command_reply")
int reply_begin_kprobe(struct pt_regs *ctx)
{
	return begin((void *)PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
}

SEC("?kretprobe/virtnet_send_command_reply")
int reply_end_kprobe(void *ctx)
{
	return end(ctx);
}

SEC("?fentry/virtnet_send_command")
int command_begin(__u64 *ctx)
{
	return begin((void *)ctx[0], ctx[1], ctx[2]);
}

SEC("?fexit/virtnet_send_command")
int command_end(void *ctx)
{
	return end(ctx);
}

SEC("?kprobe/virtnet_send_command")
int command_begin_kprobe(struct pt_regs *ctx)
{
	return begin((void *)PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx));
}

SEC("?kretprobe/virtnet_send_command")
int command_end_kprobe(void *ctx)
{
	return end(ctx);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
