// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Bytes and packets by source and destination, as on the wire: link headers included, and what is still to be cut into
 * segments, or was put together from some, counted as these.
 *
 * Hooks: net:net_dev_start_xmit and net:netif_receive_skb, which see every device, leave nothing behind and know
 * nothing of qdiscs and their filters. Each packet is counted once: what enters or leaves the node, at its uplinks;
 * what stays on it, where it is sent. XDP takes packets away before anybody sees them here, and one that a driver
 * refuses is counted again when it is offered again. Kernel: 5.5, for typed tracepoints.
 */
#include "ip_packet.h"
#include "maps.h"
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>

const volatile __u32 with_ports = 0;

#define IFF_LOOPBACK 8 /* linux/if.h */
#define IFF_EBRIDGE 2 /* enum netdev_priv_flags */
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

enum uplink {
	UPLINK_COUNTS = 1,
	UPLINK_ABOVE = 2, /* a bond or VLAN: what it receives is counted at a device beneath */
};
DESCRIBED(enum uplink);

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

/* Packets whose headers could not be read. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} unreadable SEC(".maps");

/* What user space tells of the node. */
struct node {
	netns_ino netns; /* which has all uplinks */
	__u32 generation; /* of local_addresses: another one when they have changed */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct node);
} node SEC(".maps");

/* What local_addresses said of the last packet here: the next one mostly goes the same way. */
struct way {
	__u64 src[2];
	__u64 dst[2];
	__u32 generation;
	__u32 stays;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct way);
} last_way SEC(".maps");

static __always_inline const struct node *this_node(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&node, &zero);
}

/* Whether the device with this index, in the namespace of `dev`, is an uplink: 0, or an enum uplink. */
static __always_inline __u32 uplink_of(const struct net_device *dev, int ifindex)
{
	struct device key = {.netns = READ(dev, nd_net.net, ns.inum), .ifindex = ifindex};
	const struct node *node = this_node();
	__u32 *uplink;

	if (!node || node->netns != key.netns) /* a look-up less for those of pods */
		return 0;
	uplink = bpf_map_lookup_elem(&uplinks, &key);
	return uplink ? *uplink : 0;
}

static __always_inline void count_unreadable(void)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&unreadable, &zero);

	if (count)
		add(count, 1);
}

/* Headers of each segment, from the link's to TCP's or UDP's, in bytes. */
static __always_inline __u32 headers_of(const struct sk_buff *skb, const struct ip_packet *packet,
					const unsigned char *frame, __u32 gso_type)
{
	const unsigned char *transport = packet->transport;
	__u8 words;

	/* Segments are made of what is inside the tunnel. */
	if (typed ? BPF_CORE_READ_BITFIELD(skb, encapsulation) : BPF_CORE_READ_BITFIELD_PROBED(skb, encapsulation))
		transport = READ(skb, head) + READ(skb, inner_transport_header);
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
	const struct skb_shared_info *shared = (void *)READ(skb, head) + READ(skb, end);
	__u64 bytes = READ(skb, len) + (READ(skb, data) - frame), segments = 1;
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

static __always_inline int is_bridge(const struct net_device *dev)
{
	return !!(BPF_CORE_READ_BITFIELD_PROBED(dev, priv_flags) & IFF_EBRIDGE);
}

static __always_inline int both_are_local(const struct ip_packet *packet)
{
	return bpf_map_lookup_elem(&local_addresses, packet->tuple.dst) &&
	       bpf_map_lookup_elem(&local_addresses, packet->tuple.src);
}

static __always_inline int stays_here(const struct ip_packet *packet)
{
	const __u64 *src = (void *)packet->tuple.src, *dst = (void *)packet->tuple.dst;
	const struct node *node = this_node();
	struct way *last;
	__u32 zero = 0;

	last = bpf_map_lookup_elem(&last_way, &zero);
	if (!last || !node)
		return 0;
	if (last->generation != node->generation || last->src[0] != src[0] || last->src[1] != src[1] ||
	    last->dst[0] != dst[0] || last->dst[1] != dst[1]) {
		last->generation = node->generation; /* first: what is added meanwhile comes with another one */
		last->src[0] = src[0];
		last->src[1] = src[1];
		last->dst[0] = dst[0];
		last->dst[1] = dst[1];
		last->stays = both_are_local(packet);
	}
	return last->stays;
}

/* Whether its connection is known, and it is not a reply. A kernel without connection tracking lacks the types. */
static __always_inline int may_be_redirected(const struct sk_buff *skb)
{
	return bpf_core_type_exists(struct nf_conn) && bpf_core_field_exists(struct sk_buff, _nfct) &&
	       (READ(skb, _nfct) & ~CT_INFO) && (READ(skb, _nfct) & CT_INFO) < CT_REPLY;
}

/* An address as the kernel keeps it, like those of the packet. */
static __always_inline void take_address(const struct ip_packet *packet, __u8 *to, const __u8 *from)
{
	if (packet->version >> 4 == 4)
		map_ipv4(to, from);
	else
		__builtin_memcpy(to, from, 16);
}

/*
 * Whether a packet on its way through the node had another destination, a Service's, when it came: then its sender did
 * not count it. Its source becomes the one it had then.
 */
static __always_inline int was_redirected(const struct sk_buff *skb, struct ip_packet *packet)
{
	const struct nf_conn *connection = (void *)(READ(skb, _nfct) & ~CT_INFO);
	__u64 came_for[2], *goes_to = (void *)packet->tuple.dst;
	__u8 address[16];

	bpf_core_read(address, sizeof(address), &connection->tuplehash[0].tuple.dst.u3);
	take_address(packet, (void *)came_for, address);
	if (came_for[0] == goes_to[0] && came_for[1] == goes_to[1])
		return 0;
	bpf_core_read(address, sizeof(address), &connection->tuplehash[0].tuple.src.u3);
	take_address(packet, packet->tuple.src, address);
	return 1;
}

static __always_inline void count_at_uplink(const struct sk_buff *skb, const unsigned char *at,
					    const unsigned char *frame)
{
	struct ip_packet packet = {};

	if (parse_ip(&packet, skb, at))
		count_frame(skb, &packet, frame);
	else
		count_unreadable();
}

/* At the first device that it passes. One that has a handler is a port of another, where the packet has been. */
static __always_inline void count_made_here(const struct sk_buff *skb, const struct net_device *dev,
					    const unsigned char *at)
{
	struct ip_packet packet = {};

	if (!READ(dev, rx_handler) && parse_ip(&packet, skb, at) && stays_here(&packet))
		count_frame(skb, &packet, READ(skb, data));
}

/* At the last device: a bridge passes it on to a port, unless it went from port to port only. */
static __always_inline void count_redirected(const struct sk_buff *skb, const struct net_device *dev,
					     const unsigned char *at)
{
	struct ip_packet packet = {};

	if (!is_bridge(dev) && !uplink_of(dev, READ(skb, skb_iif)) && parse_ip(&packet, skb, at) &&
	    was_redirected(skb, &packet) && stays_here(&packet))
		count_frame(skb, &packet, READ(skb, data));
}

SEC("tp_btf/net_dev_start_xmit")
int start_xmit(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	const struct net_device *dev = (void *)ctx[1];
	const unsigned char *at = ip_of_sent(skb);

	if (!at)
		return 0;
	if (uplink_of(dev, READ(dev, ifindex)) == UPLINK_COUNTS)
		count_at_uplink(skb, at, READ(skb, data));
	else if (READ(dev, flags) & IFF_LOOPBACK)
		return 0;
	else if (!READ(skb, skb_iif))
		count_made_here(skb, dev, at);
	else if (may_be_redirected(skb))
		count_redirected(skb, dev, at);
	return 0;
}

SEC("tp_btf/netif_receive_skb")
int receive(__u64 *ctx)
{
	const struct sk_buff *skb = (void *)ctx[0];
	const struct net_device *dev = READ(skb, dev);
	const unsigned char *at;

	if (uplink_of(dev, READ(dev, ifindex)) != UPLINK_COUNTS)
		return 0;
	at = ip_of_received(skb);
	if (at)
		count_at_uplink(skb, at,
				READ(skb, mac_header) == NO_MAC_HEADER ? READ(skb, data)
								       : READ(skb, head) + READ(skb, mac_header));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
