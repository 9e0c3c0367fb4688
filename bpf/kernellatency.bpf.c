// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long the kernel takes with an IP packet, per network namespace. Received: from when a device hands it to the
 * stack until IP hands it to the protocol above, or to the socket. Sent: from when the protocol above hands it to IP
 * until it is queued at a device; waiting for a neighbour and for a firewall's verdict is in both.
 *
 * Hooks: net:netif_receive_skb and net:net_dev_queue at the devices. At the upper end there is no tracepoint, so the
 * functions that every packet goes through. Where the kernel allows neither fentry nor kprobes, a program on the root
 * cgroup sees what sockets receive, and TCP tells when it sent: in the packet, as the time of its departure.
 * Kernel: 5.12, for the atomic exchange; the time of departure is marked as such since 5.18.
 */
#include "kprobe.h"
#include "net_events.h"
#include "netns_times.h"
#include "packets.h"
#include "typed_net.h"
#include "vmlinux.h"
#include <bpf/bpf_endian.h>

enum kind {
	KIND_RX,
	KIND_TX,
};
DESCRIBED(enum kind);

#define NO_KIND (KIND_TX + 1)

/* Of the IPv6 header, and of a fragment's header right behind it. */
#define NEXT_HEADER 6
#define NEXT_IS_FRAGMENT 44
#define FRAGMENT_OFFSET 42
#define FRAGMENT_UNITS 0xfff8
#define SKB_CLOCK_MONOTONIC 1 /* enum skb_tstamp_type */

/*
 * Of a received packet, what of its IP header neither translation of addresses nor putting fragments together changes:
 * identification, time to live and protocol, or flow label and hop limit.
 */
static __always_inline __u32 mark_received(const unsigned char *ip)
{
	__u8 header[10] = {};

	bpf_probe_read_kernel(header, sizeof(header), ip);
	if (header[0] >> 4 == 4)
		return header[4] << 24 | header[5] << 16 | header[8] << 8 | header[9];
	return (header[1] & 15) << 24 | header[2] << 16 | header[3] << 8 | header[7];
}

/* Of a sent one its socket: there may be no header yet. */
static __always_inline __u32 mark_sent(const struct sk_buff *skb)
{
	return number_of((__u64)BPF_CORE_READ(skb, sk));
}

SEC("tp_btf/netif_receive_skb")
int netif_receive_skb(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	struct packet_set *set = packet_chosen(ctx[0]);

	if (set)
		packet_begin(set, owner_of(ctx[0], 0), KIND_RX, mark_received(READ(skb, data)), bpf_ktime_get_ns());
	return 0;
}

/* What had begun with a packet; its kind is none where that is not known. */
static __always_inline struct packet ended(__u64 skb)
{
	struct packet_set *set = set_of(skb);
	struct packet packet;

	if (set && packet_end(set, owner_of(skb, 0), &packet))
		return packet;
	return (struct packet){.kind = NO_KIND};
}

/* Whether it was on its way into a namespace, and since when. */
static __always_inline int received(const struct sk_buff *skb, struct packet *packet)
{
	*packet = ended((__u64)skb);
	return packet->kind == KIND_RX &&
	       packet->mark == mark_received(BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header));
}

/* What is slow, as an event. */
static __always_inline void describe(struct net_event *event, enum kind kind, const struct sk_buff *skb,
				     const struct packet *packet, __u64 took)
{
	event->kind = kind;
	event->amount = 1;
	event->latency = event_span(took);
	if (packet->midway)
		event->detail = event_span(packet->midway - packet->since);
	event_of_skb(event, skb);
}

static __always_inline void tell(void *ctx, enum kind kind, const struct sk_buff *skb, const struct packet *packet,
				 __u64 took)
{
	struct traced_net_event traced = {};

	describe(&traced.event, kind, skb, packet, took);
	event_tell(ctx, &traced);
}

/* The namespace is the one it is received in: eBPF programs may move a packet there without a device's doing. */
static __always_inline void received_in(void *ctx, netns_cookie cookie, const struct sk_buff *skb,
					const struct packet *packet)
{
	__u64 took = bpf_ktime_get_ns() - packet->since;

	time_in(cookie, KIND_RX, took);
	if (took > slow_ns && event_wanted())
		tell(ctx, KIND_RX, skb, packet, took);
}

static __always_inline int deliver(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[1];
	struct packet packet;

	if (received(skb, &packet))
		received_in(ctx, cookie_in((void *)ctx[0]), skb, &packet);
	return 0;
}

static __always_inline int deliver_by_kprobe(struct pt_regs *ctx)
{
	const struct sk_buff *skb = (void *)PT_REGS_PARM2(ctx);
	struct packet packet;

	if (received(skb, &packet))
		received_in(ctx, known_cookie((void *)PT_REGS_PARM1(ctx)), skb, &packet);
	return 0;
}

SEC("?fentry/ip_protocol_deliver_rcu")
int deliver4(__u64 *ctx)
{
	return deliver(ctx);
}

/* IPv6 puts fragments together above this function, IPv4 below: of each packet only the first fragment counts. */
static __always_inline int is_later_fragment(const struct sk_buff *skb)
{
	const unsigned char *header = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
	__u8 next = 0;
	__u16 offset = 0;

	bpf_probe_read_kernel(&next, sizeof(next), header + NEXT_HEADER);
	if (next != NEXT_IS_FRAGMENT)
		return 0;
	bpf_probe_read_kernel(&offset, sizeof(offset), header + FRAGMENT_OFFSET);
	return (bpf_ntohs(offset) & FRAGMENT_UNITS) != 0;
}

SEC("?fentry/ip6_protocol_deliver_rcu")
int deliver6(__u64 *ctx)
{
	return is_later_fragment((void *)ctx[1]) ? 0 : deliver(ctx);
}

SEC("?kprobe/ip_protocol_deliver_rcu")
int deliver4_kprobe(struct pt_regs *ctx)
{
	return deliver_by_kprobe(ctx);
}

SEC("?kprobe/ip6_protocol_deliver_rcu")
int deliver6_kprobe(struct pt_regs *ctx)
{
	return is_later_fragment((void *)PT_REGS_PARM2(ctx)) ? 0 : deliver_by_kprobe(ctx);
}

/* Behind the context is the sk_buff itself. Such programs may not ask for the stack. */
SEC("?cgroup_skb/ingress")
int deliver_to_socket(struct __sk_buff *ctx)
{
	const struct sk_buff *skb = (void *)ctx;
	struct net_event event = {};
	struct packet packet;
	__u64 took;

	if (!received(skb, &packet))
		return 1; /* nothing is dropped */
	took = bpf_ktime_get_ns() - packet.since;
	time_in(known_cookie(BPF_CORE_READ(skb, dev, nd_net.net)), KIND_RX, took);
	if (took > slow_ns && event_wanted()) {
		describe(&event, KIND_RX, skb, &packet, took);
		event.time = bpf_ktime_get_ns();
		event_submit(&event, sizeof(event));
	}
	return 1;
}

/* Where routing has decided that it is for this node, or by which device it leaves: loaded only with events. */
SEC("?fentry/ip_local_deliver")
int routed_in4(__u64 *ctx)
{
	packet_midway(ctx[0]);
	return 0;
}

SEC("?fentry/ip6_input")
int routed_in6(__u64 *ctx)
{
	packet_midway(ctx[0]);
	return 0;
}

SEC("?fentry/ip_output")
int routed_out4(__u64 *ctx)
{
	packet_midway(ctx[2]);
	return 0;
}

SEC("?fentry/ip6_output")
int routed_out6(__u64 *ctx)
{
	packet_midway(ctx[2]);
	return 0;
}

SEC("?kprobe/ip_local_deliver")
int routed_in4_kprobe(struct pt_regs *ctx)
{
	packet_midway(PT_REGS_PARM1(ctx));
	return 0;
}

SEC("?kprobe/ip6_input")
int routed_in6_kprobe(struct pt_regs *ctx)
{
	packet_midway(PT_REGS_PARM1(ctx));
	return 0;
}

SEC("?kprobe/ip_output")
int routed_out4_kprobe(struct pt_regs *ctx)
{
	packet_midway(PT_REGS_PARM3(ctx));
	return 0;
}

SEC("?kprobe/ip6_output")
int routed_out6_kprobe(struct pt_regs *ctx)
{
	packet_midway(PT_REGS_PARM3(ctx));
	return 0;
}

static __always_inline int sent(__u64 skb)
{
	struct packet_set *set = packet_chosen(skb);

	if (set)
		packet_begin(set, owner_of(skb, 0), KIND_TX, mark_sent((void *)skb), bpf_ktime_get_ns());
	return 0;
}

SEC("?fentry/__ip_local_out")
int local_out4(__u64 *ctx)
{
	return sent(ctx[2]);
}

SEC("?fentry/__ip6_local_out")
int local_out6(__u64 *ctx)
{
	return sent(ctx[2]);
}

/* TCP over IPv6 goes past the one above; the next that it goes through has too many arguments for fentry. */
SEC("?fentry/inet6_csk_xmit")
int xmit6(__u64 *ctx)
{
	return sent(ctx[1]);
}

SEC("?kprobe/__ip_local_out")
int local_out4_kprobe(struct pt_regs *ctx)
{
	return sent(PT_REGS_PARM3(ctx));
}

SEC("?kprobe/__ip6_local_out")
int local_out6_kprobe(struct pt_regs *ctx)
{
	return sent(PT_REGS_PARM3(ctx));
}

SEC("?kprobe/inet6_csk_xmit")
int xmit6_kprobe(struct pt_regs *ctx)
{
	return sent(PT_REGS_PARM2(ctx));
}

static __always_inline void sent_from(void *ctx, netns_cookie cookie, const struct sk_buff *skb,
				      const struct packet *packet)
{
	__u64 took = bpf_ktime_get_ns() - packet->since;

	time_in(cookie, KIND_TX, took);
	if (took > slow_ns && event_wanted())
		tell(ctx, KIND_TX, skb, packet, took);
}

/* A forwarded packet ends here too, without being counted. */
SEC("?tp_btf/net_dev_queue")
int queued(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	struct packet packet = ended(ctx[0]);

	if (packet.kind == KIND_TX && packet.mark == mark_sent(skb))
		sent_from(ctx, cookie_in(READ(skb, dev, nd_net.net)), skb, &packet);
	return 0;
}

static __always_inline int is_departure(const struct sk_buff *skb)
{
	const struct sk_buff___mono *before = (void *)skb; /* Linux 6.12 */

	if (bpf_core_field_exists(skb->tstamp_type))
		return BPF_CORE_READ_BITFIELD_PROBED(skb, tstamp_type) == SKB_CLOCK_MONOTONIC;
	if (bpf_core_field_exists(before->mono_delivery_time))
		return BPF_CORE_READ_BITFIELD_PROBED(before, mono_delivery_time);
	return 1; /* before Linux 5.18 a socket's packet had no other time, and no mark */
}

/*
 * The device must be the one of the socket's route: further ones below it see the same packet again. A departure in
 * the future is pacing, which a queue is going to wait for: how long it took up to here is not known.
 */
SEC("?tp_btf/net_dev_queue")
int queued_by_tcp(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	const struct net_device *dev;
	const struct dst_entry *route;
	const struct sock *sk;
	struct packet packet = {};
	__u8 state;

	if (!measured_by_chance())
		return 0;
	sk = READ(skb, sk);
	packet.since = READ(skb, tstamp);
	if (!sk || !packet.since || !is_departure(skb))
		return 0;
	state = READ(sk, __sk_common.skc_state);
	if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV)
		return 0; /* not the whole of a socket */
	route = READ(sk, sk_dst_cache);
	dev = READ(skb, dev);
	if (READ(sk, sk_protocol) != IPPROTO_TCP || !route || READ(route, dev) != dev)
		return 0;
	if (bpf_ktime_get_ns() >= packet.since)
		sent_from(ctx, cookie_in(READ(dev, nd_net.net)), skb, &packet);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
