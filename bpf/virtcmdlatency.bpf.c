// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long the host takes for the control commands of virtio network devices, such as setting addresses or filters.
 *
 * Hooks: entry and return of virtnet_send_command of the module virtio_net, which waits for the answer while it holds
 * the lock of the network configuration. Newer kernels make it of virtnet_send_command_reply, which is then the one.
 * fexit programs where the kernel has them and describes its modules, else kprobes. Kernel: 5.10.
 *
 * A command begins and ends in the same thread, though not on the same CPU, and none begins within another.
 */
#include "maps.h"
#include "times.h"
#include "vmlinux.h"

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024); /* set before load */
	__type(key, __u32); /* thread */
	__type(value, __u64); /* when it began its command */
} commands SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct times);
} times SEC(".maps");

static __always_inline int begin(void)
{
	__u32 thread = bpf_get_current_pid_tgid();
	__u64 now = bpf_ktime_get_ns();

	bpf_map_update_elem(&commands, &thread, &now, BPF_ANY);
	return 0;
}

static __always_inline int end(void)
{
	__u32 thread = bpf_get_current_pid_tgid(), zero = 0;
	__u64 *begun = bpf_map_lookup_elem(&commands, &thread);
	struct times *all = bpf_map_lookup_elem(&times, &zero);

	if (begun && all)
		times_add(all, bpf_ktime_get_ns() - *begun);
	if (!begun)
		count_fault(FAULT_UNFINISHED);
	bpf_map_delete_elem(&commands, &thread);
	return 0;
}

SEC("?fentry/virtnet_send_command_reply")
int reply_begin(void *ctx)
{
	return begin();
}

SEC("?fexit/virtnet_send_command_reply")
int reply_end(void *ctx)
{
	return end();
}

SEC("?kprobe/virtnet_send_command_reply")
int reply_begin_kprobe(void *ctx)
{
	return begin();
}

SEC("?kretprobe/virtnet_send_command_reply")
int reply_end_kprobe(void *ctx)
{
	return end();
}

SEC("?fentry/virtnet_send_command")
int command_begin(void *ctx)
{
	return begin();
}

SEC("?fexit/virtnet_send_command")
int command_end(void *ctx)
{
	return end();
}

SEC("?kprobe/virtnet_send_command")
int command_begin_kprobe(void *ctx)
{
	return begin();
}

SEC("?kretprobe/virtnet_send_command")
int command_end_kprobe(void *ctx)
{
	return end();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
