// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Round trip times of TCP connections as the kernel estimates them, per network namespace.
 *
 * Sampled at a segment out of so many that an established connection receives, so that connections tell the more the
 * busier they are, and when a connection leaves that state, so that each tells at least once. Connections within the
 * namespace (over its loopback device) are left out: they say nothing about the network.
 *
 * Hooks: tcp_probe, inet_sock_set_state. Kernel: 5.10.
 */
#include "netns_times.h"
#include "typed_net.h"
#include "vmlinux.h"

enum kind {
	KIND_SMOOTHED,
	KIND_LOWEST,
};
DESCRIBED(enum kind);

const volatile __u32 one_in = 100; /* 0: only when connections end */

#define LOOPBACK_IFINDEX 1 /* net/flow.h */
#define TCP_ESTABLISHED 1 /* enum in net/tcp_states.h */
#define NS_PER_US 1000ull

static __always_inline int sample(struct sock *sk)
{
	struct tcp_sock *tcp = tcp_of(sk);
	__u64 smoothed = tcp ? READ(tcp, srtt_us) : 0;
	netns_cookie cookie;

	if (!smoothed || READ(sk, sk_dst_cache, dev, ifindex) == LOOPBACK_IFINDEX)
		return 0;
	cookie = cookie_in(READ(sk, __sk_common.skc_net.net));
	time_in(cookie, KIND_SMOOTHED, smoothed * NS_PER_US >> 3);
	time_in(cookie, KIND_LOWEST, READ(tcp, rtt_min.s[0].v) * NS_PER_US);
	return 0;
}

SEC("tp_btf/tcp_probe")
int probe(__u64 *ctx)
{
	if (!one_in || (__u64)bpf_get_prandom_u32() * one_in >> 32) /* rather than a division */
		return 0;
	return sample((void *)ctx[0]);
}

SEC("tp_btf/inet_sock_set_state")
int set_state(__u64 *ctx)
{
	return (int)ctx[1] == TCP_ESTABLISHED ? sample((void *)ctx[0]) : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
