/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One record for all events about packets and connections, and how it is filled from either.
 *
 * The ends of a packet are as it travels: source and destination. Those of a socket are local and remote, in this
 * order. Everything is read with bpf_core_read, so that it also works where the verifier knows no types.
 * Kernel: 5.8, for ring buffers.
 */
#ifndef NET_EVENTS_H
#define NET_EVENTS_H

#include "event_stacks.h"
#include "ip_packet.h"
#include "netns_list.h"

#define EVENT_AF_INET 2 /* linux/socket.h */
#define EVENT_AF_INET6 10
#define EVENT_TIME_WAIT 6 /* enum in net/tcp_states.h */
#define EVENT_NEW_SYN_RECV 12

struct net_event {
	__u64 time; /* ns, bpf_ktime_get_ns */
	netns_cookie cookie; /* 0 where the namespace is not known */
	__u64 place; /* address in the kernel's code where it happened; 0 where it does not say */
	__u8 src[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 dst[16];
	__u8 device[16]; /* name, empty where it is not known */
	__u8 command[16]; /* name of the thread that did it, empty where it is not told */
	netns_ino netns; /* 0 where it is not known */
	__u32 reason; /* the kernel's number */
	__u32 amount; /* of what the counter counts */
	__u32 span; /* ms */
	__u16 sport; /* host byte order */
	__u16 dport;
	__u8 protocol;
	__u8 ends; /* whether addresses, ports and protocol are known */
	__u8 kind; /* the probe's own enum kind */
	__u8 state; /* of the socket, as in net/tcp_states.h; 0 where there is none */
	__u32 detail; /* the probe's own */
	__u32 latency; /* us; 0 where nothing was measured */
	__u32 cpu;
	__u32 pid; /* of the process that was running, as the node numbers them */
};

/* What is sent: the latter part only with `event_stacks`. */
struct traced_net_event {
	struct net_event event;
	__u64 stack[MOST_FRAMES]; /* innermost first, then zeros */
};

DESCRIBED(struct net_event);
DESCRIBED(struct traced_net_event);

static __always_inline void event_in(struct net_event *event, struct net *net)
{
	if (!net)
		return;
	event->cookie = known_cookie(net);
	event->netns = BPF_CORE_READ(net, ns.inum);
}

static __always_inline void event_device(struct net_event *event, struct net_device *dev)
{
	/* Queues keep other data in the place of the device. */
	if (dev && is_netns(BPF_CORE_READ(dev, nd_net.net)))
		bpf_core_read(event->device, sizeof(event->device), &dev->name);
}

/* The IP header: where the stack has noted it, else at the beginning of what was just received. */
static __always_inline const unsigned char *event_ip_header(const struct sk_buff *skb)
{
	__u16 network = BPF_CORE_READ(skb, network_header);

	return network ? BPF_CORE_READ(skb, head) + network : BPF_CORE_READ(skb, data);
}

/* Addresses, protocol and ports; these stay 0 in fragments without a transport header. `packet` must be zero. */
static __always_inline int packet_of_skb(struct ip_packet *packet, const struct sk_buff *skb)
{
	packet->end = BPF_CORE_READ(skb, data) + (BPF_CORE_READ(skb, len) - BPF_CORE_READ(skb, data_len));
	if (!is_ip(BPF_CORE_READ(skb, protocol)) || !parse_headers(packet, event_ip_header(skb)))
		return 0;
	read_ports(packet);
	return 1;
}

static __always_inline void event_ends_of_skb(struct net_event *event, const struct sk_buff *skb)
{
	struct ip_packet packet = {};

	if (!packet_of_skb(&packet, skb))
		return;
	__builtin_memcpy(event->src, packet.tuple.src, sizeof(event->src));
	__builtin_memcpy(event->dst, packet.tuple.dst, sizeof(event->dst));
	event->sport = packet.tuple.sport;
	event->dport = packet.tuple.dport;
	event->protocol = packet.tuple.protocol;
	event->ends = 1;
}

/* Whether it is more than what stands for a request or for a connection that is over. */
static __always_inline int is_whole_sock(const struct sock *sk)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	return state != EVENT_TIME_WAIT && state != EVENT_NEW_SYN_RECV;
}

/* The port of a socket that is being closed has been given back; what was on the wire stays. */
static __always_inline __u16 event_local_port(const struct sock *sk)
{
	__u16 port = BPF_CORE_READ(sk, __sk_common.skc_num);

	if (!port && is_whole_sock(sk))
		port = bpf_ntohs(BPF_CORE_READ((const struct inet_sock *)sk, inet_sport));
	return port;
}

/* Small sockets too: the rest of it is in what they share. */
static __always_inline void event_ends_of_sock(struct net_event *event, const struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	__u32 address;

	if (family == EVENT_AF_INET) {
		address = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		map_ipv4(event->src, &address);
		address = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		map_ipv4(event->dst, &address);
	} else if (family == EVENT_AF_INET6) {
		bpf_core_read(event->src, sizeof(event->src), &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(event->dst, sizeof(event->dst), &sk->__sk_common.skc_v6_daddr);
	} else {
		return;
	}
	event->sport = event_local_port(sk);
	event->dport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	event->protocol = IP_PROTOCOL_TCP; /* small ones do not tell, and only TCP's sockets come here */
	event->ends = 1;
}

static __always_inline void event_state(struct net_event *event, const struct sock *sk)
{
	event->state = BPF_CORE_READ(sk, __sk_common.skc_state);
}

/* The device by which the socket sends; small sockets have none. */
static __always_inline void event_device_of_sock(struct net_event *event, const struct sock *sk)
{
	struct dst_entry *route;

	if (!is_whole_sock(sk))
		return;
	route = BPF_CORE_READ(sk, sk_dst_cache);
	if (route)
		event_device(event, BPF_CORE_READ(route, dev));
}

/* The device that it came by or is to leave by: that is known by the route before it gets there. */
static __always_inline void event_device_of_skb(struct net_event *event, const struct sk_buff *skb)
{
	struct dst_entry *route = (struct dst_entry *)(BPF_CORE_READ(skb, _skb_refdst) & ~1ul);

	event_device(event, BPF_CORE_READ(skb, dev));
	if (!event->device[0] && route && !BPF_CORE_READ(skb, skb_iif))
		event_device(event, BPF_CORE_READ(route, dev));
}

/* Namespace, ends, device. */
static __always_inline void event_of_skb(struct net_event *event, const struct sk_buff *skb)
{
	event_in(event, netns_of_skb(skb));
	event_ends_of_skb(event, skb);
	event_device_of_skb(event, skb);
}

/* The same, and the state. */
static __always_inline void event_of_sock(struct net_event *event, const struct sock *sk)
{
	event_in(event, netns_of_sock(sk));
	event_ends_of_sock(event, sk);
	event_state(event, sk);
	event_device_of_sock(event, sk);
}

/* Microseconds; the highest number stands for all above it. */
static __always_inline __u32 event_span(__u64 nanoseconds)
{
	__u64 us = nanoseconds / NSEC_PER_USEC;

	return us < ~0u ? us : ~0u;
}

static __always_inline void event_tell(void *ctx, struct traced_net_event *traced)
{
	traced->event.time = bpf_ktime_get_ns();
	event_submit_traced(ctx, traced, sizeof(traced->event));
}

#endif
