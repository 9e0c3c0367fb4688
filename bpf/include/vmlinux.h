/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's own types, as far as the programs here read them. Members are found by name in the running
 * kernel's BTF (CO-RE), so a struct lists only the members that are read, in any order.
 * What user space may know too (map types, flags) comes from the installed UAPI headers, never from here.
 */
#ifndef VMLINUX_H
#define VMLINUX_H

#include <linux/bpf.h>
#include <linux/types.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next, *prev;
};

struct ns_common {
	const struct proc_ns_operations *ops;
	unsigned int inum;
};

/* Counters: the arrays are as long as the running kernel says. */
struct ipstats_mib {
	__u64 mibs[1];
};

struct tcp_mib {
	unsigned long mibs[1];
};

struct udp_mib {
	unsigned long mibs[1];
};

struct linux_mib {
	unsigned long mibs[1];
};

struct icmp_mib {
	unsigned long mibs[1];
};

struct icmpv6_mib {
	unsigned long mibs[1];
};

struct netns_mib {
	struct ipstats_mib *ip_statistics;
	struct ipstats_mib *ipv6_statistics;
	struct tcp_mib *tcp_statistics;
	struct linux_mib *net_statistics;
	struct udp_mib *udp_statistics;
	struct udp_mib *udp_stats_in6;
	struct icmp_mib *icmp_statistics;
	struct icmpmsg_mib *icmpmsg_statistics;
	struct icmpv6_mib *icmpv6_statistics;
	struct icmpv6msg_mib *icmpv6msg_statistics;
};

struct ipv4_devconf {
	int data[1];
};

struct netns_ipv4 {
	struct ipv4_devconf *devconf_all;
	__u8 sysctl_ip_default_ttl;
};

struct net {
	struct list_head list;
	struct ns_common ns;
	struct netns_mib mib;
	struct netns_ipv4 ipv4;
	struct net_device *loopback_dev;
	__u64 net_cookie;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct nsproxy *nsproxy;
};

struct bpf_array {
	void *pptrs[0];
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	unsigned short skc_family;
	unsigned char skc_state;
	possible_net_t skc_net;
};

struct sock {
	struct sock_common __sk_common;
};

struct net_device {
	possible_net_t nd_net;
	int ifindex;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned int len;
	char cb[48];
	__u8 pkt_type : 3;
	unsigned long _skb_refdst;
	__u16 protocol; /* network byte order */
};

struct dst_entry {
	struct net_device *dev;
};

/* What TCP keeps in sk_buff.cb. */
struct tcp_skb_cb {
	__u16 tcp_gso_segs;
	__u8 tcp_flags;
};

struct inet_connection_sock {
	__u8 icsk_ca_state : 5;
	__u8 icsk_pending;
};

#pragma clang attribute pop

#endif
