/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Namespaces and TCP sockets in programs that run with types of the kernel and without, see typed.h. */
#ifndef TYPED_NET_H
#define TYPED_NET_H

#include "netns_list.h"
#include "typed.h"

/* Of a namespace that is known to be one. */
static __always_inline netns_cookie cookie_in(struct net *net)
{
	return typed ? net->net_cookie : known_cookie(net);
}

#define IPPROTO_TCP 6
#define TCP_TIME_WAIT 6 /* enum in net/tcp_states.h */
#define TCP_NEW_SYN_RECV 12

/* NULL for a socket of another protocol, and for what is not the whole of one. */
static __always_inline struct tcp_sock *tcp_of(struct sock *sk)
{
	__u8 state;

	if (typed)
		return bpf_skc_to_tcp_sock(sk);
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return NULL;
	return (void *)sk;
}

#endif
