/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * To which network namespace something belongs.
 *
 * Programs keep and send what they find under the cookie of the namespace, which is never given away again, rather
 * than under its inode alone, which the next namespace gets.
 */
#ifndef NETNS_COOKIE_H
#define NETNS_COOKIE_H

#include "types.h"
#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h> /* after those, which it uses */

typedef __u64 netns_cookie; /* 0 where the namespace of a packet cannot be told */

/* A namespace knows its loopback device and that device its namespace. No other memory looks like this. */
static __always_inline int is_netns(struct net *net)
{
	return net && BPF_CORE_READ(net, loopback_dev, nd_net.net) == net;
}

/* Before Linux 5.12 few have a cookie: there the number by which each differs in its hashes, which is random. */
static __always_inline netns_cookie known_cookie(struct net *net)
{
	if (bpf_core_field_exists(net->net_cookie))
		return BPF_CORE_READ(net, net_cookie);
	return (netns_cookie)BPF_CORE_READ(net, hash_mix) << 32 | BPF_CORE_READ(net, ns.inum);
}

static __always_inline struct net *checked_netns(struct net *net)
{
	return is_netns(net) ? net : NULL;
}

/* Small sockets too, those of requests and of TIME_WAIT. */
static __always_inline struct net *netns_of_sock(const struct sock *sk)
{
	return sk ? checked_netns(BPF_CORE_READ(sk, __sk_common.skc_net.net)) : NULL;
}

static __always_inline netns_cookie cookie_of_sock(const struct sock *sk)
{
	struct net *net = netns_of_sock(sk);

	return net ? known_cookie(net) : 0;
}

/*
 * By its device, else by its route, else by its socket; NULL when none of them tells. The device goes first, because a
 * packet that crossed into another namespace keeps the socket that sent it. Each is checked, because queues keep
 * other data in the place of the device and of the route.
 */
static __always_inline struct net *netns_of_skb(const struct sk_buff *skb)
{
	struct net_device *dev = BPF_CORE_READ(skb, dev);
	struct net *net = dev ? checked_netns(BPF_CORE_READ(dev, nd_net.net)) : NULL;
	struct dst_entry *dst;

	if (net)
		return net;
	dst = (struct dst_entry *)(BPF_CORE_READ(skb, _skb_refdst) & ~1ul); /* the lowest bit says who counts it */
	net = dst ? checked_netns(BPF_CORE_READ(dst, dev, nd_net.net)) : NULL;
	return net ? net : netns_of_sock(BPF_CORE_READ(skb, sk));
}

static __always_inline netns_cookie cookie_of_skb(const struct sk_buff *skb)
{
	struct net *net = netns_of_skb(skb);

	return net ? known_cookie(net) : 0;
}

#endif
