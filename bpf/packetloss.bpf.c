// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * IPv4 and IPv6 packets that the kernel dropped, per network namespace and by the kernel's own reason.
 *
 * Hook: skb:kfree_skb, which fires for what is dropped and not for what was consumed; every kernel that can run this
 * has it. Kernel: 5.10; 5.17 tells the reason. The numbers of the reasons change from kernel to kernel; user space names
 * them from the running one's BTF.
 */
#include "drop_reason.h"
#include "net_events.h"
#include "netns_counts.h"
#include "vmlinux.h"

enum kind {
	KIND_UNICAST,
	KIND_MULTICAST, /* and broadcast: much of it is meant for others */
};

DESCRIBED(enum kind);

/* Where the tracepoint has a fourth argument (Linux 6.11), it is the socket that would have received the packet. */
const volatile __u32 tells_socket = 0;

#define PACKET_BROADCAST 1 /* linux/if_packet.h */
#define PACKET_MULTICAST 2

static __always_inline void tell(__u64 *ctx, enum kind kind, const struct sk_buff *skb, const struct sock *receiver)
{
	struct traced_net_event traced = {.event.kind = kind, .event.amount = 1, .event.place = ctx[1]};

	traced.event.reason = reason_of(ctx);
	event_of_skb(&traced.event, skb);
	if (receiver) {
		event_in(&traced.event, netns_of_sock(receiver));
		if (!traced.event.device[0])
			event_device_of_sock(&traced.event, receiver); /* TCP takes it from the packet early on */
		if (traced.event.protocol == IP_PROTOCOL_TCP)
			event_state(&traced.event, receiver);
	}
	event_tell(ctx, &traced);
}

SEC("tp_btf/kfree_skb")
int drop(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	const struct sock *receiver = tells_socket ? (void *)ctx[3] : NULL;
	__u64 type = BPF_CORE_READ_BITFIELD_PROBED(skb, pkt_type);
	enum kind kind = type == PACKET_BROADCAST || type == PACKET_MULTICAST ? KIND_MULTICAST : KIND_UNICAST;
	netns_cookie cookie;

	if (!is_ip(BPF_CORE_READ(skb, protocol)))
		return 0;
	cookie = cookie_of_sock(receiver);
	count_in(cookie ? cookie : cookie_of_skb(skb), kind, reason_of(ctx), 1);
	if (events_per_second && is_loss(reason_of(ctx)) && event_wanted())
		tell(ctx, kind, skb, receiver);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
