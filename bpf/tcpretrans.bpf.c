// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP segments sent again, per network namespace and by what made the kernel do it.
 *
 * Hooks: tcp:tcp_retransmit_skb and tcp:tcp_retransmit_synack, where the kernel counts RetransSegs too; every kernel
 * that can run this has them. The kind follows from the state of the socket at that moment; no tracepoint says it.
 * Kernel: 5.10.
 */
#include "netns_counts.h"
#include "vmlinux.h"

enum kind {
	KIND_SYN,
	KIND_SYNACK,
	KIND_FAST,
	KIND_RTO,
	KIND_TLP,
	KIND_OTHER,
};

DESCRIBED(enum kind);

/* Where the tracepoint reports refused retransmissions too (newer kernels), its third argument is the error. */
const volatile __u32 reports_errors = 0;

#define TCP_SYN_SENT 2 /* enum in net/tcp_states.h */
#define TCP_CA_RECOVERY 3 /* enum tcp_ca_state */
#define TCP_CA_LOSS 4
#define ICSK_TIME_LOSS_PROBE 5 /* net/inet_connection_sock.h */

static __always_inline enum kind kind_of(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = (const void *)sk;
	__u64 state;

	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_SYN_SENT)
		return KIND_SYN;
	state = BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_ca_state);
	if (state == TCP_CA_LOSS)
		return KIND_RTO;
	if (state == TCP_CA_RECOVERY)
		return KIND_FAST;
	return BPF_CORE_READ(icsk, icsk_pending) == ICSK_TIME_LOSS_PROBE ? KIND_TLP : KIND_OTHER;
}

SEC("tp_btf/tcp_retransmit_skb")
int retransmit_skb(__u64 *ctx)
{
	const struct sock *sk = (void *)ctx[0];
	const struct sk_buff *skb = (void *)ctx[1];
	struct tcp_skb_cb *tcp = (void *)skb + bpf_core_field_offset(struct sk_buff, cb);

	if (reports_errors && (int)ctx[2])
		return 0;
	count_in(cookie_of_sock(sk), kind_of(sk), 0, BPF_CORE_READ(tcp, tcp_gso_segs));
	return 0;
}

SEC("tp_btf/tcp_retransmit_synack")
int retransmit_synack(__u64 *ctx)
{
	count_in(cookie_of_sock((void *)ctx[0]), KIND_SYNACK, 0, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
