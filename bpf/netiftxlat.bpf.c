// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long packets wait in the queue of a device, and how long its driver takes to accept them, per network namespace.
 *
 * Hooks: net:net_dev_queue, net:net_dev_start_xmit, net:net_dev_xmit. Queue: from the first to the second, bridges,
 * tunnels and other devices on the way counted each. Driver: from the second to the third, of the same packets; that of
 * a device that hands on to another one contains the other's. A packet that the kernel cuts into segments in front of
 * the driver is another one afterwards, as its length tells, and left out. Kernel: 5.12, for the atomic exchange.
 */
#include "net_events.h"
#include "netns_times.h"
#include "packets.h"
#include "typed_net.h"
#include "vmlinux.h"

enum kind {
	KIND_QDISC,
	KIND_NETDEV,
};
DESCRIBED(enum kind);

/* Twice what one driver within another there may be on a CPU, the kernel's XMIT_RECURSION_LIMIT; a power of two. */
#define HANDED_AT_ONCE 16

SEC("tp_btf/net_dev_queue")
int net_dev_queue(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	struct packet_set *set = packet_chosen(ctx[0]);

	if (set)
		packet_begin(set, owner_of(ctx[0], 0), KIND_QDISC, READ(skb, len), bpf_ktime_get_ns());
	return 0;
}

/* Whose packet the driver has: it may be freed when the driver is done. Only kept where events are wanted. */
struct handed {
	__u64 owner;
	struct net_event event;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HANDED_AT_ONCE);
	__type(key, __u32);
	__type(value, struct handed);
} handed SEC(".maps");

static __always_inline struct handed *handed_here(__u64 owner)
{
	__u32 place = (owner ^ owner >> 32) * GOLDEN >> 32 & (HANDED_AT_ONCE - 1);

	return bpf_map_lookup_elem(&handed, &place);
}

static __always_inline void tell(void *ctx, struct traced_net_event *traced, enum kind kind, __u64 took)
{
	traced->event.kind = kind;
	traced->event.amount = 1;
	traced->event.latency = event_span(took);
	event_tell(ctx, traced);
}

SEC("tp_btf/net_dev_start_xmit")
int net_dev_start_xmit(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	const struct net_device *dev = (void *)ctx[1];
	__u64 owner = owner_of(ctx[0], number_of(ctx[1])), now, took;
	struct packet_set *set = set_of(ctx[0]);
	struct traced_net_event traced = {};
	struct handed *handing;
	struct packet waited;

	if (!set || !packet_end(set, owner_of(ctx[0], 0), &waited) || waited.mark != READ(skb, len))
		return 0;
	now = bpf_ktime_get_ns();
	took = now - waited.since;
	time_in(cookie_in(READ(dev, nd_net.net)), KIND_QDISC, took);
	if (events_per_second) {
		event_of_skb(&traced.event, skb);
		handing = handed_here(owner);
		if (handing) {
			handing->owner = owner;
			handing->event = traced.event;
			handing->event.detail = event_span(took);
		}
		if (took > slow_ns && event_permitted())
			tell(ctx, &traced, KIND_QDISC, took);
	}
	packet_begin(set, owner, KIND_NETDEV, 0, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/net_dev_xmit")
int net_dev_xmit(__u64 *ctx) /* of the sk_buff only the address is left: it may be freed */
{
	const struct net_device *dev = (void *)ctx[2];
	__u64 owner = owner_of(ctx[0], number_of(ctx[2])), took;
	struct packet_set *set = set_of(ctx[0]);
	struct traced_net_event traced = {};
	struct handed *handing;
	struct packet packet;

	if (!set || !packet_end(set, owner, &packet))
		return 0;
	took = bpf_ktime_get_ns() - packet.since;
	time_in(cookie_in(READ(dev, nd_net.net)), KIND_NETDEV, took);
	if (took > slow_ns && event_wanted()) {
		handing = handed_here(owner);
		if (handing && handing->owner == owner) {
			traced.event = handing->event;
		} else { /* more than there is room for were handed on since */
			event_in(&traced.event, READ(dev, nd_net.net));
			event_device(&traced.event, (void *)dev);
		}
		tell(ctx, &traced, KIND_NETDEV, took);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
