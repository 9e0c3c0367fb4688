// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Segments for TCP connections that are over and kept only for what may still come (TIME_WAIT, or FIN_WAIT2 without a
 * program), per network namespace and kind.
 *
 * Hooks: the end of tcp_timewait_state_process, which judges them. Where that cannot be watched, skb:kfree_skb says
 * since Linux 6.11 for which socket a segment was that goes no further, which all do but a SYN that opens a new
 * connection. Kernel: 5.17, for what a function gives back.
 */
#include "net_events.h"
#include "netns_counts.h"
#include "typed_net.h"
#include "vmlinux.h"

enum kind {
	KIND_SYN_ACCEPTED, /* a new connection takes the place */
	KIND_SYN_REFUSED,
	KIND_RST,
	KIND_FIN,
	KIND_DATA,
	KIND_ACK,
};
DESCRIBED(enum kind);

/* Where the tracepoint hands over the socket, as its fourth argument. */
const volatile __u32 tells_socket = 0;

#define TCP_TW_SYN 3 /* enum tcp_tw_status */
#define FIN 0x01
#define SYN 0x02
#define RST 0x04

static __always_inline enum kind kind_of(const struct sk_buff *skb)
{
	struct tcp_skb_cb *tcp = (void *)skb + bpf_core_field_offset(struct sk_buff, cb);
	__u8 flags = BPF_CORE_READ(tcp, tcp_flags);

	if (flags & RST)
		return KIND_RST;
	if (flags & SYN)
		return KIND_SYN_REFUSED;
	if (flags & FIN)
		return KIND_FIN;
	return BPF_CORE_READ(tcp, end_seq) == BPF_CORE_READ(tcp, seq) ? KIND_ACK : KIND_DATA;
}

/* The state is what the socket would be in if it were a whole one. */
static __always_inline void tell(void *ctx, enum kind kind, const struct sock *sk, const struct sk_buff *skb)
{
	struct traced_net_event traced = {.event.kind = kind, .event.amount = 1};

	event_in(&traced.event, netns_of_sock(sk));
	event_ends_of_skb(&traced.event, skb);
	event_device_of_skb(&traced.event, skb);
	traced.event.state = BPF_CORE_READ((const struct inet_timewait_sock *)sk, tw_substate);
	event_tell(ctx, &traced);
}

SEC("?fexit/tcp_timewait_state_process")
int judged(__u64 *ctx)
{
	const struct sock *sk = (void *)ctx[0];
	const struct sk_buff *skb = (void *)ctx[1];
	__u64 verdict = 0;
	enum kind kind;

	bpf_get_func_ret(ctx, &verdict);
	kind = (__u32)verdict == TCP_TW_SYN ? KIND_SYN_ACCEPTED : kind_of(skb);
	count_in(cookie_of_sock(sk), kind, 0, 1);
	if (event_wanted())
		tell(ctx, kind, sk, skb);
	return 0;
}

SEC("?tp_btf/kfree_skb")
int drop(__u64 *ctx)
{
	struct sock *sk = tells_socket ? (void *)ctx[3] : NULL;

	if (sk && READ(sk, __sk_common.skc_state) == TCP_TIME_WAIT) { /* of those in FIN_WAIT2 as well */
		enum kind kind = kind_of((void *)ctx[0]);

		count_in(cookie_in(READ(sk, __sk_common.skc_net.net)), kind, 0, 1);
		if (event_wanted())
			tell(ctx, kind, sk, (void *)ctx[0]);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
