// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP resets sent and received, per network namespace, by what they answer and by the kernel's own reason.
 *
 * Hooks: tcp:tcp_send_reset and tcp:tcp_receive_reset, IPv4 and IPv6 alike. From Linux 6.10 the former fires for every
 * reset and tells the reason; before, only for those of whole sockets, so there the functions that send them are better:
 * tcp_v4_send_reset, tcp_v6_send_reset, tcp_send_active_reset. Kernel: 5.10.
 */
#include "kprobe.h"
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
#define TCP_FLAGS 13 /* where in the header of a segment */
#define RTN_LOCAL 2 /* linux/rtnetlink.h */
#define RTF_LOCAL 0x80000000 /* linux/ipv6_route.h */

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

/*
 * The functions are called for more than they answer: they leave out resets and, without a socket, what is not for this
 * machine. What they leave out later on, as a signature does not fit, is counted all the same.
 */
static __always_inline int is_answered(const struct sock *sk, const struct sk_buff *skb, int version)
{
	unsigned char *segment = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, transport_header);
	void *route = (void *)(BPF_CORE_READ(skb, _skb_refdst) & ~1ul); /* the lowest bit says who counts it */
	__u8 flags = 0;

	bpf_probe_read_kernel(&flags, sizeof(flags), segment + TCP_FLAGS);
	if (flags & TCPHDR_RST)
		return 0;
	if (sk)
		return 1;
	if (version == 4)
		return BPF_CORE_READ((struct rtable *)route, rt_type) == RTN_LOCAL;
	return (BPF_CORE_READ((struct rt6_info *)route, rt6i_flags) & RTF_LOCAL) != 0;
}

static __always_inline int count_answer(const struct sock *sk, const struct sk_buff *skb, int version)
{
	if (is_answered(sk, skb, version))
		count_in(sk ? cookie_of_sock(sk) : cookie_of_skb(skb), sk ? KIND_ANSWER : KIND_NO_SOCKET, 0, 1);
	return 0;
}

static __always_inline int count_active(const struct sock *sk)
{
	count_in(cookie_of_sock(sk), KIND_ACTIVE, 0, 1);
	return 0;
}

SEC("?fentry/tcp_v4_send_reset")
int answer4_fentry(__u64 *ctx)
{
	return count_answer((void *)ctx[0], (void *)ctx[1], 4);
}

SEC("?fentry/tcp_v6_send_reset")
int answer6_fentry(__u64 *ctx)
{
	return count_answer((void *)ctx[0], (void *)ctx[1], 6);
}

SEC("?fentry/tcp_send_active_reset")
int active_fentry(__u64 *ctx)
{
	return count_active((void *)ctx[0]);
}

SEC("?kprobe/tcp_v4_send_reset")
int answer4_kprobe(struct pt_regs *ctx)
{
	return count_answer((void *)PT_REGS_PARM1(ctx), (void *)PT_REGS_PARM2(ctx), 4);
}

SEC("?kprobe/tcp_v6_send_reset")
int answer6_kprobe(struct pt_regs *ctx)
{
	return count_answer((void *)PT_REGS_PARM1(ctx), (void *)PT_REGS_PARM2(ctx), 6);
}

SEC("?kprobe/tcp_send_active_reset")
int active_kprobe(struct pt_regs *ctx)
{
	return count_active((void *)PT_REGS_PARM1(ctx));
}

static __always_inline int count_received(const struct sock *sk)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
	enum kind kind = KIND_CLOSING;

	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV || state == TCP_NEW_SYN_RECV)
		kind = KIND_CONNECTING;
	else if (state == TCP_ESTABLISHED)
		kind = KIND_ESTABLISHED;
	count_in(cookie_of_sock(sk), kind, 0, 1);
	return 0;
}

SEC("tp_btf/tcp_receive_reset")
int receive_reset(__u64 *ctx)
{
	return count_received((void *)ctx[0]);
}

SEC("?fentry/tcp_reset")
int receive_fentry(__u64 *ctx)
{
	return count_received((void *)ctx[0]);
}

SEC("?kprobe/tcp_reset")
int receive_kprobe(struct pt_regs *ctx)
{
	return count_received((void *)PT_REGS_PARM1(ctx));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
