// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP resets sent and received, per network namespace, by what they answer and by the kernel's own reason.
 *
 * Hooks: tcp:tcp_send_reset and tcp:tcp_receive_reset, IPv4 and IPv6 alike. Kernel: 5.17, for netns_counts.h. From
 * Linux 6.10 the former fires for segments without a socket too and tells the reason.
 */
#include "netns_counts.h"
#include "vmlinux.h"

enum kind {
	KIND_NO_SOCKET, /* sent: the answer to a segment that no socket wants */
	KIND_ANSWER, /* sent: the answer to a segment that does not fit its socket */
	KIND_ACTIVE, /* sent: this side ends a connection */
	KIND_CONNECTING, /* received in SYN_SENT or SYN_RECV: refused */
	KIND_ESTABLISHED, /* received in ESTABLISHED */
	KIND_CLOSING, /* received after one side had closed */
};

DESCRIBED(enum kind);

/* Whether the third argument is there and is the reason. */
const volatile __u32 tells_reason = 0;

#define TCP_ESTABLISHED 1 /* enum in net/tcp_states.h */
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_NEW_SYN_RECV 12
#define TCPHDR_RST 0x04 /* net/tcp.h */

/* Older kernels hand over the reset itself, where newer ones have no packet. Nobody answers a reset with one. */
static __always_inline int is_reset(const struct sk_buff *skb)
{
	struct tcp_skb_cb *tcp = (void *)skb + bpf_core_field_offset(struct sk_buff, cb);

	return BPF_CORE_READ(tcp, tcp_flags) & TCPHDR_RST;
}

SEC("tp_btf/tcp_send_reset")
int send_reset(__u64 *ctx)
{
	const struct sock *sk = (void *)ctx[0];
	const struct sk_buff *skb = (void *)ctx[1];
	__u32 reason = tells_reason ? ctx[2] : 0;

	if (sk)
		count_in(cookie_of_sock(sk), !skb || is_reset(skb) ? KIND_ACTIVE : KIND_ANSWER, reason, 1);
	else if (skb) /* always so; the verifier cannot know */
		count_in(cookie_of_skb(skb), KIND_NO_SOCKET, reason, 1);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int receive_reset(__u64 *ctx)
{
	const struct sock *sk = (void *)ctx[0];
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
	enum kind kind = KIND_CLOSING;

	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV || state == TCP_NEW_SYN_RECV)
		kind = KIND_CONNECTING;
	else if (state == TCP_ESTABLISHED)
		kind = KIND_ESTABLISHED;
	count_in(cookie_of_sock(sk), kind, 0, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
