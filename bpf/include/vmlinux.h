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

typedef struct {
	int counter;
} atomic_t;

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;

typedef struct {
	__s64 counter;
} atomic64_t;

typedef atomic64_t atomic_long_t;

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

struct inet_timewait_death_row {
	refcount_t tw_refcount;
	struct inet_hashinfo *hashinfo;
};

/* Lowest and highest port: in the two halves of a number, before Linux 6.8 in two numbers behind a lock. */
struct local_ports {
	__u32 range;
};

struct local_ports___pair {
	int range[2];
};

struct rhashtable {
	atomic_t nelems;
};

/* Packets of a namespace of which only some fragments have arrived. */
struct fqdir {
	struct rhashtable rhashtable;
	atomic_long_t mem;
};

struct netns_ipv4 {
	struct ipv4_devconf *devconf_all;
	__u8 sysctl_ip_default_ttl;
	struct inet_timewait_death_row tcp_death_row;
	struct fqdir *fqdir;
	struct local_ports ip_local_ports;
};

struct netns_ipv6 {
	struct fqdir *fqdir;
};

/* Sockets in use, counted per CPU; `val` by `proto.inuse_idx`. */
struct prot_inuse {
	int all;
	int val[64];
};

struct netns_core {
	struct prot_inuse *prot_inuse;
};

struct net {
	struct list_head list;
	struct ns_common ns;
	struct list_head dev_base_head;
	struct sock *rtnl;
	struct net_device *loopback_dev;
	struct netns_core core;
	struct netns_mib mib;
	struct netns_ipv4 ipv4;
	struct netns_ipv6 ipv6;
	__u64 net_cookie;
	__u32 hash_mix;
};

struct nsproxy {
	struct net *net_ns;
};

struct seqcount {
	unsigned int sequence;
};

struct seqcount_spinlock {
	struct seqcount seqcount;
};

typedef struct {
	struct seqcount_spinlock seqcount;
} seqlock_t;

struct task_io_accounting {
	__u64 rchar;
	__u64 wchar;
	__u64 syscr;
	__u64 syscw;
	__u64 read_bytes;
	__u64 write_bytes;
	__u64 cancelled_write_bytes;
};

struct signal_struct {
	struct list_head thread_head;
	seqlock_t stats_lock;
	struct task_io_accounting ioac;
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct list_head thread_node;
	__u64 start_boottime;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	struct task_io_accounting ioac;
};

struct super_block {
	unsigned long s_magic;
};

struct inode {
	struct super_block *i_sb;
};

struct file {
	struct inode *f_inode;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
};

struct bpf_array {
	void *pptrs[0];
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

/* The last node of a chain points to nothing, but to an odd number that tells which chain this is. */
struct hlist_nulls_node {
	struct hlist_nulls_node *next, **pprev;
};

struct hlist_nulls_head {
	struct hlist_nulls_node *first;
};

/* Protocols hang on one list, whatever their family. */
struct proto {
	unsigned int inuse_idx;
	char name[32];
	struct list_head node;
};

struct sock_common {
	__u32 skc_daddr; /* network byte order */
	__u32 skc_rcv_saddr;
	unsigned int skc_hash;
	__u16 skc_dport; /* network byte order */
	__u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	struct proto *skc_prot;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	struct hlist_nulls_node skc_nulls_node;
	refcount_t skc_refcnt;
};

struct sock {
	struct sock_common __sk_common;
	struct dst_entry *sk_dst_cache;
	__u16 sk_protocol;
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
	int sk_err;
	void *sk_user_data;
};

struct sk_psock {
	__u32 msg_tot_len; /* since Linux 7 */
};

struct minmax_sample {
	__u32 t;
	__u32 v;
};

struct minmax {
	struct minmax_sample s[3]; /* the smallest first */
};

struct inet_sock {
	__u16 inet_sport; /* network byte order */
};

struct tcp_sock {
	__u32 rcv_nxt;
	__u32 copied_seq;
	__u32 write_seq;
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 segs_in;
	__u64 tcp_mstamp; /* microseconds of the monotonic clock, when the kernel last began something with it */
	__u32 data_segs_in;
	__u32 srtt_us; /* eighths of a microsecond */
	struct minmax rtt_min; /* microseconds */
};

struct tcp_request_sock {
	__u32 snt_isn; /* sequence number of the SYN-ACK */
};

struct inet_timewait_sock {
	unsigned char tw_substate;
};

struct inet_ehash_bucket {
	struct hlist_nulls_head chain;
};

struct inet_listen_hashbucket {
	struct hlist_nulls_head nulls_head;
};

struct inet_hashinfo {
	struct inet_ehash_bucket *ehash;
	unsigned int ehash_mask;
	unsigned int lhash2_mask;
	struct inet_listen_hashbucket *lhash2;
	_Bool pernet;
};

struct inet_hashinfo___by_port { /* before Linux 5.19 */
	struct inet_listen_hashbucket listening_hash[32];
};

/* What devices count: most per CPU, in one of three shapes, the rest in the device. */
typedef struct {
	__u64 v;
} u64_stats_t;

struct pcpu_lstats {
	u64_stats_t packets;
	u64_stats_t bytes;
};

struct pcpu_sw_netstats {
	u64_stats_t rx_packets;
	u64_stats_t rx_bytes;
	u64_stats_t tx_packets;
	u64_stats_t tx_bytes;
};

enum netdev_stat_type {
	NETDEV_PCPU_STAT_NONE,
	NETDEV_PCPU_STAT_LSTATS,
	NETDEV_PCPU_STAT_TSTATS,
};

struct net_device_core_stats {
	unsigned long rx_dropped;
	unsigned long tx_dropped;
};

struct net_device_stats {
	unsigned long rx_packets;
	unsigned long tx_packets;
	unsigned long rx_bytes;
	unsigned long tx_bytes;
	unsigned long rx_errors;
	unsigned long tx_errors;
	unsigned long rx_dropped;
	unsigned long tx_dropped;
	unsigned long rx_missed_errors;
};

struct rtnl_link_ops {
	const char *kind;
};

struct net_device_ops {
	void *ndo_get_stats64;
	void *ndo_get_stats;
};

struct Qdisc_ops {
	char id[16];
};

struct Qdisc {
	unsigned int flags;
	const struct Qdisc_ops *ops;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct neighbour {
	struct hlist_node hash;
	struct neigh_table *tbl;
	__u8 nud_state;
	struct net_device *dev;
};

struct neigh_hash_table {
	struct hlist_head *hash_heads;
	unsigned int hash_shift;
};

/* Before Linux 6.13 the chains were of neighbours themselves. */
struct neighbour___chained {
	struct neighbour *next;
};

struct neigh_hash_table___chained {
	struct neighbour **hash_buckets;
};

struct neigh_table {
	struct neigh_hash_table *nht;
};

struct neigh_parms {
	struct neigh_table *tbl;
};

struct in_device {
	struct neigh_parms *arp_parms;
};

struct inet6_dev {
	struct neigh_parms *nd_parms;
};

struct net_device {
	const struct net_device_ops *netdev_ops;
	struct pcpu_lstats *lstats;
	struct pcpu_sw_netstats *tstats;
	struct inet6_dev *ip6_ptr;
	unsigned int real_num_rx_queues;
	possible_net_t nd_net;
	char name[16];
	struct list_head dev_list;
	int ifindex;
	unsigned int flags;
	unsigned int priv_flags; /* a bit field in newer kernels */
	void *rx_handler;
	struct net_device_stats stats;
	struct net_device_core_stats *core_stats;
	struct in_device *ip_ptr;
	struct Qdisc *qdisc;
	enum netdev_stat_type pcpu_stat_type : 8;
	const struct rtnl_link_ops *rtnl_link_ops;
	__u8 priv[0];
};

struct veth_stats {
	__u64 rx_drops;
	__u64 xdp_packets;
	__u64 xdp_bytes;
	__u64 xdp_tx_err;
	__u64 peer_tq_xdp_xmit_err;
};

struct veth_rq_stats {
	struct veth_stats vs;
};

struct veth_rq {
	struct veth_rq_stats stats;
};

struct veth_priv {
	struct net_device *peer;
	atomic64_t dropped;
	struct veth_rq *rq;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	__u64 tstamp; /* of arrival, or of departure: see tstamp_type */
	unsigned int len;
	unsigned int data_len;
	unsigned int end; /* this and the header offsets are from head */
	unsigned char *head;
	unsigned char *data;
	__u16 mac_header;
	__u16 network_header;
	__u16 inner_transport_header;
	__u16 transport_header; /* from head */
	char cb[48];
	__u8 pkt_type : 3;
	__u8 encapsulation : 1;
	__u8 tstamp_type : 2;
	int skb_iif; /* device that it came in by; 0 where it was made */
	unsigned long _nfct; /* its connection, and in the lowest three bits its direction */
	unsigned long _skb_refdst;
	__u16 protocol; /* network byte order */
};

struct sk_buff___mono { /* before Linux 6.12 */
	__u8 mono_delivery_time : 1;
};

/* Follows the data of an sk_buff, at its end. */
struct skb_shared_info {
	unsigned short gso_size;
	unsigned short gso_segs;
	unsigned int gso_type;
};

union nf_inet_addr {
	__u32 all[4];
};

struct nf_conntrack_man {
	union nf_inet_addr u3;
};

struct nf_conntrack_tuple {
	struct nf_conntrack_man src;
	struct {
		union nf_inet_addr u3;
	} dst;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

struct nf_conn {
	struct nf_conntrack_tuple_hash tuplehash[2]; /* of the original direction and of replies */
};

struct dst_entry {
	struct net_device *dev;
};

/* Both begin with a dst_entry. */
struct rtable {
	__u16 rt_type;
};

struct rt6_info {
	__u32 rt6i_flags;
};

/* What TCP keeps in sk_buff.cb. */
struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq;
	__u16 tcp_gso_segs;
	__u8 tcp_flags;
};

struct inet_connection_sock {
	__u8 icsk_ca_state : 5;
	__u8 icsk_pending;
};

struct gendisk {
	char disk_name[32];
};

struct request_queue {
	struct gendisk *disk;
};

struct request {
	struct request_queue *q;
	unsigned int cmd_flags;
	unsigned int __data_len;
	__u64 __sector;
};

struct virtnet_info { /* of the module virtio_net */
	struct net_device *dev;
};

struct request___with_disk { /* before Linux 5.17 */
	struct gendisk *rq_disk;
};

#pragma clang attribute pop

enum skb_drop_reason {
	SKB_DROP_REASON_NOT_SPECIFIED,
};

#endif
