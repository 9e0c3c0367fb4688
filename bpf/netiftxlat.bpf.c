// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long packets wait in the queue of a device, and how long its driver takes to accept them, per network namespace.
 *
 * Hooks: net:net_dev_queue, net:net_dev_start_xmit, net:net_dev_xmit. Queue: from the first to the second, bridges,
 * tunnels and other devices on the way counted each. Driver: from the second to the third, of the same packets; that of
 * a device that hands on to another one contains the other's. A packet that the kernel cuts into segments in front of
 * the driver is another one afterwards, as its length tells, and left out. Kernel: 5.12, for the atomic exchange.
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

SEC("tp_btf/net_dev_queue")
int net_dev_queue(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	struct packet_set *set = packet_chosen(ctx[0]);

	if (set)
		packet_begin(set, owner_of(ctx[0], 0), KIND_QDISC, READ(skb, len), bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/net_dev_start_xmit")
int net_dev_start_xmit(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	const struct net_device *dev = (void *)ctx[1];
	struct packet_set *set = set_of(ctx[0]);
	struct packet waited;
	__u64 now;

	if (!set || !packet_end(set, owner_of(ctx[0], 0), &waited) || waited.mark != READ(skb, len))
		return 0;
	now = bpf_ktime_get_ns();
	time_in(cookie_in(READ(dev, nd_net.net)), KIND_QDISC, now - waited.since);
	packet_begin(set, owner_of(ctx[0], number_of(ctx[1])), KIND_NETDEV, 0, now);
	return 0;
}

SEC("tp_btf/net_dev_xmit")
int net_dev_xmit(__u64 *ctx) /* of the sk_buff only the address is left: it may be freed */
{
	const struct net_device *dev = (void *)ctx[2];
	struct packet_set *set = set_of(ctx[0]);
	struct packet handed;

	if (set && packet_end(set, owner_of(ctx[0], number_of(ctx[2])), &handed))
		time_in(cookie_in(READ(dev, nd_net.net)), KIND_NETDEV, bpf_ktime_get_ns() - handed.since);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
