// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Bytes and packets by source and destination, as on the wire: link headers included, and what is still to be cut into
 * segments, or was put together from some, counted as these.
 *
 * Hooks: net:net_dev_start_xmit and net:netif_receive_skb, which see every device, leave nothing behind and know
 * nothing of qdiscs and their filters. Each packet is counted once: what enters or leaves the node, at its uplinks;
 * what stays on it, where it is sent. Kernel: 5.5, for typed tracepoints.
 */
#include "ip_packet.h"
#include "maps.h"
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>

const volatile __u32 with_ports = 0;

#define IFF_LOOPBACK 8 /* linux/if.h */
#define NO_MAC_HEADER 0xffff
#define SKB_GSO_TCP (1 << 0 | 1 << 4) /* SKB_GSO_TCPV4 and _TCPV6, linux/skbuff.h */
#define UDP_HEADER 8
#define TCP_LENGTH 12 /* where in the header its length is */
#define CT_INFO 7ul /* enum ip_conntrack_info, in the lowest bits of the address */
#define CT_REPLY 3 /* IP_CT_IS_REPLY */

struct flow_count {
	__u64 bytes;
	__u64 packets;
};

struct device {
	netns_ino netns;
	__u32 ifindex;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024); /* set before load */
	__type(key, struct tuple);
	__type(value, struct flow_count);
} flows SEC(".maps");

/* Devices by which packets enter and leave the node. User space keeps this and the next one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct device);
	__type(value, __u32);
} uplinks SEC(".maps");

/* Addresses of the node and of its pods. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address);
	__type(value, __u32);
} local_addresses SEC(".maps");

static __always_inline int is_uplink(const struct net_device *dev, int ifindex)
{
	struct device key = {.netns = dev->nd_net.net->ns.inum, .ifindex = ifindex};

	return bpf_map_lookup_elem(&uplinks, &key) != NULL;
}

/* Headers of each segment, from the link's to TCP's or UDP's, in bytes. */
static __always_inline __u32 headers_of(const struct sk_buff *skb, const struct ip_packet *packet,
					const unsigned char *frame, __u32 gso_type)
{
	const unsigned char *transport = packet->transport;
	__u8 words;

	if (BPF_CORE_READ_BITFIELD_PROBED(skb, encapsulation)) /* segments are made of what is inside the tunnel */
		transport = skb->head + skb->inner_transport_header;
	if (transport < frame || transport > packet->end)
		return 0;
	if (!(gso_type & SKB_GSO_TCP))
		return transport - frame + UDP_HEADER;
	if (!read_header(packet, &words, sizeof(words), transport + TCP_LENGTH))
		return 0;
	return transport - frame + (words >> 4) * 4;
}

/* A whole frame, which begins at `frame`. */
static __always_inline void count_frame(const struct sk_buff *skb, struct ip_packet *packet, const unsigned char *frame)
{
	const struct skb_shared_info *shared = (void *)skb->head + skb->end;
	__u64 bytes = skb->len + (skb->data - frame), segments = 1;
	__u16 size = BPF_CORE_READ(shared, gso_size);
	struct flow_count zero = {}, *count;
	__u32 headers;

	if (size) {
		headers = headers_of(skb, packet, frame, BPF_CORE_READ(shared, gso_type));
		segments = BPF_CORE_READ(shared, gso_segs);
		if (!segments) /* what a virtual machine hands over does not say */
			segments = (bytes - headers + size - 1) / size;
		bytes += (segments - 1) * headers;
	}
	if (with_ports)
		read_ports(packet);
	count = lookup_or_init(&flows, &packet->tuple, &zero);
	if (count) {
		add(&count->bytes, bytes);
		add(&count->packets, segments);
	}
}

SEC("tp_btf/net_dev_start_xmit")
int start_xmit(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	const struct net_device *dev = (void *)ctx[1];
	const unsigned char *at = ip_of_sent(skb);
	struct ip_packet packet = {};

	if (!at)
		return 0;
	if (is_uplink(dev, dev->ifindex)) {
		if (parse_ip(&packet, skb, at))
			count_frame(skb, &packet, skb->data);
		else
			count_fault(FAULT_LOST);
		return 0;
	}
	/* A device that has a handler is a port of one above it, where the packet has been. */
	if (skb->skb_iif || dev->rx_handler || dev->flags & IFF_LOOPBACK || !parse_ip(&packet, skb, at))
		return 0;
	if (bpf_map_lookup_elem(&local_addresses, packet.tuple.dst))
		count_frame(skb, &packet, skb->data);
	return 0;
}

SEC("tp_btf/netif_receive_skb")
int receive(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	const struct net_device *dev = skb->dev;
	const unsigned char *at, *frame;
	struct ip_packet packet = {};
	__u16 mac_header;

	if (!is_uplink(dev, dev->ifindex))
		return 0;
	at = ip_of_received(skb);
	if (!at)
		return 0;
	mac_header = skb->mac_header;
	frame = mac_header == NO_MAC_HEADER ? skb->data : skb->head + mac_header;
	if (parse_ip(&packet, skb, at))
		count_frame(skb, &packet, frame);
	else
		count_fault(FAULT_LOST);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
