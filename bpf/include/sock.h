/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which network namespace a socket, device or packet belongs to. */
#ifndef SOCK_H
#define SOCK_H

#include "types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* Not in a UAPI header of the kernel, but part of its ABI. */
#define AF_INET 2
#define AF_INET6 10

static __always_inline netns_ino netns_of_sock(struct sock *sk)
{
	return sk ? BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) : 0;
}

static __always_inline netns_ino netns_of_device(struct net_device *dev)
{
	return dev ? BPF_CORE_READ(dev, nd_net.net, ns.inum) : 0;
}

/*
 * By its socket, else by its device; 0 when the packet has neither. The socket goes first, because a packet in the
 * receive queue of a UDP socket keeps other data where its device was.
 */
static __always_inline netns_ino netns_of_skb(struct sk_buff *skb)
{
	struct sock *sk = BPF_CORE_READ(skb, sk);

	return sk ? netns_of_sock(sk) : netns_of_device(BPF_CORE_READ(skb, dev));
}

#endif
