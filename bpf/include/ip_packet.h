/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses, protocol and ports of a packet, read from its headers wherever they are; IPv4 and IPv6 alike. */
#ifndef IP_PACKET_H
#define IP_PACKET_H

#include "typed.h"
#include "types.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define ETH_P_IP 0x0800 /* linux/if_ether.h */
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define MOST_TAGS 2
#define MOST_EXTENSIONS 6

enum ip_protocol {
	IP_PROTOCOL_HOP_BY_HOP = 0,
	IP_PROTOCOL_TCP = 6,
	IP_PROTOCOL_UDP = 17,
	IP_PROTOCOL_ROUTING = 43,
	IP_PROTOCOL_FRAGMENT = 44,
	IP_PROTOCOL_DESTINATION = 60,
	IP_PROTOCOL_SCTP = 132,
};

struct address {
	__u8 bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
};

struct tuple {
	__u8 src[16]; /* as in struct address */
	__u8 dst[16];
	__u16 sport; /* host byte order */
	__u16 dport;
	__u8 protocol;
	__u8 padding[3];
};

struct ip_packet {
	struct tuple tuple; /* without ports, see read_ports */
	const unsigned char *transport; /* header after those of IP; NULL in all fragments but the first */
	const unsigned char *end; /* of what is in one piece */
	__u8 version; /* of IP, in the upper four bits */
};

/* As on the wire, with the fields that are read. */
struct ipv4_header {
	__u8 length; /* in words, the lower four bits; above them the version */
	__u8 between[5];
	__u16 fragment; /* network byte order */
	__u8 ttl;
	__u8 protocol;
	__u16 checksum;
	__u8 src[4];
	__u8 dst[4];
};

struct ipv6_header {
	__u8 version;
	__u8 between[5];
	__u8 next;
	__u8 hops;
	__u8 src[16];
	__u8 dst[16];
};

static __always_inline int read_header(const struct ip_packet *packet, void *to, __u32 size, const unsigned char *at)
{
	return at + size <= packet->end && !bpf_probe_read_kernel(to, size, at);
}

static __always_inline void map_ipv4(__u8 *to, const void *from)
{
	__builtin_memset(to, 0, 10);
	to[10] = to[11] = 0xff;
	__builtin_memcpy(to + 12, from, 4);
}

static __always_inline int take_ipv4(struct ip_packet *packet, const struct ipv4_header *ip, const unsigned char *at)
{
	map_ipv4(packet->tuple.src, ip->src);
	map_ipv4(packet->tuple.dst, ip->dst);
	packet->tuple.protocol = ip->protocol;
	if (!(ip->fragment & bpf_htons(0x1fff)))
		packet->transport = at + (ip->length & 15) * 4;
	return 1;
}

static __always_inline int is_extension(__u8 next)
{
	return next == IP_PROTOCOL_HOP_BY_HOP || next == IP_PROTOCOL_ROUTING || next == IP_PROTOCOL_FRAGMENT ||
	       next == IP_PROTOCOL_DESTINATION;
}

static __always_inline int parse_ipv6(struct ip_packet *packet, const unsigned char *at)
{
	struct ipv6_header ip;
	__u8 extension[4], next;
	int i;

	if (!read_header(packet, &ip, sizeof(ip), at))
		return 0;
	__builtin_memcpy(packet->tuple.src, ip.src, sizeof(ip.src));
	__builtin_memcpy(packet->tuple.dst, ip.dst, sizeof(ip.dst));
	next = ip.next;
	at += sizeof(ip);
	packet->transport = at;
	for (i = 0; i < MOST_EXTENSIONS && is_extension(next); i++) {
		if (!read_header(packet, extension, sizeof(extension), at)) {
			packet->transport = NULL;
			break;
		}
		at += next == IP_PROTOCOL_FRAGMENT ? 8 : (extension[1] + 1) * 8;
		packet->transport = at;
		if (next == IP_PROTOCOL_FRAGMENT && (extension[2] || extension[3] & 0xf8)) {
			packet->transport = NULL; /* what follows is the middle of something */
			next = extension[0];
			break;
		}
		next = extension[0];
	}
	packet->tuple.protocol = next;
	return 1;
}

/* Whether the headers at `at`, which are those of IP, could be read. `packet` must be zero but for its end. */
static __always_inline int parse_headers(struct ip_packet *packet, const unsigned char *at)
{
	struct ipv4_header ip; /* the shorter one: read at once with its version */

	if (!read_header(packet, &ip, sizeof(ip), at))
		return 0;
	packet->version = ip.length;
	if (packet->version >> 4 == 4)
		return take_ipv4(packet, &ip, at);
	return packet->version >> 4 == 6 && parse_ipv6(packet, at);
}

/* The same of a packet that is in hand. `packet` must be zero. */
static __always_inline int parse_ip(struct ip_packet *packet, const struct sk_buff *skb, const unsigned char *at)
{
	packet->end = READ(skb, data) + (READ(skb, len) - READ(skb, data_len));
	return parse_headers(packet, at);
}

static __always_inline int is_ip(__u16 protocol)
{
	return protocol == bpf_htons(ETH_P_IP) || protocol == bpf_htons(ETH_P_IPV6);
}

static __always_inline int is_tag(__u16 protocol)
{
	return protocol == bpf_htons(ETH_P_8021Q) || protocol == bpf_htons(ETH_P_8021AD);
}

/* Where the IP header of a packet is that was just received; NULL when it has none. */
static __always_inline const unsigned char *ip_of_received(const struct sk_buff *skb)
{
	const unsigned char *at = READ(skb, data);
	__u16 protocol = READ(skb, protocol), tag[2];
	int i;

	for (i = 0; i < MOST_TAGS && is_tag(protocol); i++) {
		if (bpf_probe_read_kernel(tag, sizeof(tag), at))
			return NULL;
		protocol = tag[1];
		at += sizeof(tag);
	}
	return is_ip(protocol) ? at : NULL;
}

/* The same of one that is being sent: the stack has told, and tags are in front of it. */
static __always_inline const unsigned char *ip_of_sent(const struct sk_buff *skb)
{
	__u16 protocol = READ(skb, protocol);

	return is_ip(protocol) || is_tag(protocol) ? READ(skb, head) + READ(skb, network_header) : NULL;
}

static __always_inline void read_ports(struct ip_packet *packet)
{
	__u8 protocol = packet->tuple.protocol;
	__u16 ports[2];

	if (protocol != IP_PROTOCOL_TCP && protocol != IP_PROTOCOL_UDP && protocol != IP_PROTOCOL_SCTP)
		return;
	if (!packet->transport || !read_header(packet, ports, sizeof(ports), packet->transport))
		return;
	packet->tuple.sport = bpf_ntohs(ports[0]);
	packet->tuple.dport = bpf_ntohs(ports[1]);
}

#endif
