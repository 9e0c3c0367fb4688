// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * IPv4 and IPv6 packets that the kernel dropped, per network namespace and by the kernel's own reason.
 *
 * Hook: skb:kfree_skb, which fires for what is dropped and not for what was consumed; every kernel that can run this
 * has it. Kernel: 5.10; 5.17 tells the reason. The numbers of the reasons change from kernel to kernel; user space names
 * them from the running one's BTF.
 */
#include "netns_counts.h"
#include "vmlinux.h"
#include <bpf/bpf_endian.h>

enum kind {
	KIND_UNICAST,
	KIND_MULTICAST, /* and broadcast: much of it is meant for others */
};

DESCRIBED(enum kind);

/* Where the tracepoint has a fourth argument (Linux 6.11), it is the socket that would have received the packet. */
const volatile __u32 tells_socket = 0;

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD
#define PACKET_BROADCAST 1 /* linux/if_packet.h */
#define PACKET_MULTICAST 2

/*
 * Without a reason, where it happened: the lower half of an address, as all code is within 4 GiB. That is read in any
 * case: the verifier refuses one load from one or the other place.
 */
static __always_inline __u32 reason_of(const volatile __u64 *ctx)
{
	__u32 reason = ctx[1];

	if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED))
		reason = ctx[2];
	return reason;
}

SEC("tp_btf/kfree_skb")
int drop(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	const struct sock *receiver = tells_socket ? (void *)ctx[3] : NULL;
	__u16 protocol = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	__u64 type = BPF_CORE_READ_BITFIELD_PROBED(skb, pkt_type);
	enum kind kind = type == PACKET_BROADCAST || type == PACKET_MULTICAST ? KIND_MULTICAST : KIND_UNICAST;
	netns_cookie cookie;

	if (protocol != ETH_P_IP && protocol != ETH_P_IPV6)
		return 0;
	cookie = cookie_of_sock(receiver);
	count_in(cookie ? cookie : cookie_of_skb(skb), kind, reason_of(ctx), 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
