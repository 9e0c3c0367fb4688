// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Segments for TCP connections that are over and kept only for what may still come (TIME_WAIT, or FIN_WAIT2 without a
 * program), per network namespace and kind.
 *
 * Hooks: the end of tcp_timewait_state_process, which judges them. Where that cannot be watched, skb:kfree_skb says
 * since Linux 6.11 for which socket a segment was that goes no further, which all do but a SYN that opens a new
 * connection. Kernel: 5.17, for what a function gives back.
 */
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

SEC("?fexit/tcp_timewait_state_process")
int judged(__u64 *ctx)
{
	__u64 verdict = 0;

	bpf_get_func_ret(ctx, &verdict);
	count_in(cookie_of_sock((void *)ctx[0]),
		 (__u32)verdict == TCP_TW_SYN ? KIND_SYN_ACCEPTED : kind_of((void *)ctx[1]), 0, 1);
	return 0;
}

SEC("?tp_btf/kfree_skb")
int drop(__u64 *ctx)
{
	struct sock *sk = tells_socket ? (void *)ctx[3] : NULL;

	if (sk && READ(sk, __sk_common.skc_state) == TCP_TIME_WAIT) /* of those in FIN_WAIT2 as well */
		count_in(cookie_in(READ(sk, __sk_common.skc_net.net)), kind_of((void *)ctx[0]), 0, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
