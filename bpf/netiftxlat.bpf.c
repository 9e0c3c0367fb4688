// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long packets wait in the queue of a device, and how long its driver takes to accept them, per network namespace.
 *
 * Hooks: net:net_dev_queue, net:net_dev_start_xmit, net:net_dev_xmit. Queue: from the first to the second, bridges,
 * tunnels and other devices on the way counted each; a packet that the kernel cuts into segments in between is another
 * packet afterwards and left out. Driver: from the second to the third, on one CPU; that of a device that hands on to
 * another one contains the other's. Kernel: 5.12, for the atomic exchange.
 */
#include "netns_times.h"
#include "packets.h"
#include "typed_net.h"
#include "vmlinux.h"

enum kind {
	KIND_QDISC,
	KIND_NETDEV,
};
DESCRIBED(enum kind);

/* One inside the other at the most: the kernel's XMIT_RECURSION_LIMIT. */
#define NESTED 8

struct handover {
	__u64 skb;
	__u64 since;
};

/* Drivers at work on this CPU, each called by the one before it. */
struct handovers {
	struct handover made[NESTED];
	__u32 depth;
	__u32 padding;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct handovers);
} handovers SEC(".maps");

static __always_inline struct handovers *handovers_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&handovers, &zero);
}

/* Where it is among them, the innermost; -1 where it is not. */
static __always_inline int depth_of(const struct handovers *here, __u64 skb)
{
	if (!here->depth)
		return -1;
	for (int depth = NESTED - 1; depth >= 0; depth--)
		if (depth < here->depth && here->made[depth].skb == skb)
			return depth;
	return -1;
}

static __always_inline void handover_begin(struct handovers *here, __u64 skb, __u64 now)
{
	__u32 depth = here->depth;

	if (depth >= NESTED) /* some end was not seen, as when an interrupt sends while a program runs */
		depth = 0;
	here->made[depth].skb = skb;
	here->made[depth].since = now;
	here->depth = depth + 1;
}

/* When the driver was called, 0 when that was not seen or not measured; with it ends what it had called. */
static __always_inline __u64 handover_end(__u64 skb)
{
	struct handovers *here = handovers_here();
	int depth = here ? depth_of(here, skb) : -1;

	if (depth < 0)
		return 0;
	here->depth = depth;
	return here->made[depth & (NESTED - 1)].since; /* the mask is for the verifier */
}

SEC("tp_btf/net_dev_queue")
int net_dev_queue(__u64 *ctx)
{
	packet_begin(ctx[0], KIND_QDISC);
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int net_dev_start_xmit(__u64 *ctx)
{
	const struct net_device *dev = (void *)ctx[1];
	struct handovers *here = handovers_here();
	struct packet waited;
	__u64 skb = ctx[0];

	if (packet_end(skb, &waited))
		time_in(cookie_in(READ(dev, nd_net.net)), KIND_QDISC, bpf_ktime_get_ns() - waited.since);
	if (!here)
		return 0;
	if (measured_by_chance())
		handover_begin(here, skb, bpf_ktime_get_ns());
	else if (depth_of(here, skb) >= 0) /* handed on by a device that is measured: this end is not that one's */
		handover_begin(here, skb, 0);
	return 0;
}

SEC("tp_btf/net_dev_xmit")
int net_dev_xmit(__u64 *ctx) /* of the sk_buff only the address is left: it may be freed */
{
	const struct net_device *dev = (void *)ctx[2];
	__u64 since = handover_end(ctx[0]);

	if (since)
		time_in(cookie_in(READ(dev, nd_net.net)), KIND_NETDEV, bpf_ktime_get_ns() - since);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
