// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What every network namespace has now: the numbers of /proc/net/sockstat and sockstat6 that belong to a namespace, and
 * its ip_local_port_range.
 *
 * Hook: none, see netns_rows.h. Kernel: 6.1, for the place of tcp_death_row.
 *
 * Sockets in use are counted per CPU and protocol. Which place a protocol has is drawn when it is registered, so
 * the list of protocols is searched for their names; the netlink socket that every namespace has is a way in.
 */
#include "name.h"
#include "percpu.h"

#define MOST_PROTOCOLS 64 /* as many as the kernel has places for */

struct row {
	__u64 inode;
	__s64 sockets;
	__s64 tcp;
	__s64 udp;
	__s64 raw;
	__s64 tcp6;
	__s64 udp6;
	__s64 raw6;
	__s64 time_wait;
	__s64 fragmented;
	__s64 fragmented6;
	__s64 fragment_memory;
	__s64 fragment_memory6;
	__u32 has_ip6;
	__u32 first_port;
	__u32 last_port;
	__u32 pad;
};

#define before_rows(own) learn_places(own)
static int learn_places(struct net *own);

#include "netns_rows.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct prot_inuse);
} parts SEC(".maps"); /* one CPU's */

enum protocol { TCP, UDP, RAW, TCP6, UDP6, RAW6, PROTOCOLS };

static __u32 places[PROTOCOLS]; /* of each protocol, MOST_PROTOCOLS where it is not registered */

struct places_walk {
	struct list_head *first, *position;
};

static long learn_place(__u32 index, struct places_walk *walk)
{
	struct list_head *position = walk->position;
	struct proto *proto = (void *)position - bpf_core_field_offset(struct proto, node);
	__u32 place = BPF_CORE_READ(proto, inuse_idx);
	union name name = {};

	bpf_core_read(&name, sizeof(name), &proto->name);
	if (name.number == NAME("TCP"))
		places[TCP] = place;
	else if (name.number == NAME("UDP"))
		places[UDP] = place;
	else if (name.number == NAME("RAW"))
		places[RAW] = place;
	else if (name.number == NAME("TCPv6"))
		places[TCP6] = place;
	else if (name.number == NAME("UDPv6"))
		places[UDP6] = place;
	else if (name.number == NAME("RAWv6"))
		places[RAW6] = place;
	walk->position = BPF_CORE_READ(position, next);
	return !walk->position || walk->position == walk->first;
}

/* 0 unless those of IPv4 cannot be found. */
static int learn_places(struct net *own)
{
	struct proto *netlink = BPF_CORE_READ(own, rtnl, __sk_common.skc_prot);
	struct places_walk walk;

	walk.first = walk.position = (void *)netlink + bpf_core_field_offset(struct proto, node);
	for (__u32 i = 0; i < PROTOCOLS; i++)
		places[i] = MOST_PROTOCOLS;
	bpf_loop(4 * MOST_PROTOCOLS, learn_place, &walk, 0);
	return places[TCP] == MOST_PROTOCOLS || places[UDP] == MOST_PROTOCOLS || places[RAW] == MOST_PROTOCOLS;
}

struct reading {
	struct row *row;
	const void *in_use; /* per CPU */
};

static __always_inline int in_use(struct prot_inuse *part, enum protocol protocol)
{
	__u32 place = places[protocol];

	return place < MOST_PROTOCOLS ? part->val[place] : 0;
}

static long add_cpu(__u32 cpu, struct reading *reading)
{
	struct prot_inuse *theirs = of_cpu(reading->in_use, cpu), *part;
	struct row *row = reading->row;
	__u32 zero = 0;

	part = bpf_map_lookup_elem(&parts, &zero);
	if (!part || !row)
		return 1;
	if (bpf_core_read(part->val, sizeof(part->val), &theirs->val))
		return 1;
	row->sockets += BPF_CORE_READ(theirs, all);
	row->tcp += in_use(part, TCP);
	row->udp += in_use(part, UDP);
	row->raw += in_use(part, RAW);
	row->tcp6 += in_use(part, TCP6);
	row->udp6 += in_use(part, UDP6);
	row->raw6 += in_use(part, RAW6);
	return 0;
}

static __always_inline void read_ports(struct row *row, struct net *net)
{
	struct local_ports *ports = &net->ipv4.ip_local_ports;
	struct local_ports___pair *pair = (void *)ports;

	if (bpf_core_field_exists(ports->range)) {
		__u32 range = BPF_CORE_READ(ports, range);

		row->first_port = range & 0xffff;
		row->last_port = range >> 16;
	} else {
		row->first_port = BPF_CORE_READ(pair, range[0]);
		row->last_port = BPF_CORE_READ(pair, range[1]);
	}
}

static int read_row(struct row *row, struct net *net, __u32 cpus)
{
	struct reading reading = {.row = row, .in_use = BPF_CORE_READ(net, core.prot_inuse)};

	row->sockets = row->tcp = row->udp = row->raw = row->tcp6 = row->udp6 = row->raw6 = 0;
	row->has_ip6 = places[TCP6] < MOST_PROTOCOLS;
	row->time_wait = BPF_CORE_READ(net, ipv4.tcp_death_row.tw_refcount.refs.counter) - 1;
	row->fragmented = BPF_CORE_READ(net, ipv4.fqdir, rhashtable.nelems.counter);
	row->fragment_memory = BPF_CORE_READ(net, ipv4.fqdir, mem.counter);
	if (bpf_core_field_exists(net->ipv6)) {
		row->fragmented6 = BPF_CORE_READ(net, ipv6.fqdir, rhashtable.nelems.counter);
		row->fragment_memory6 = BPF_CORE_READ(net, ipv6.fqdir, mem.counter);
	}
	read_ports(row, net);
	return bpf_loop(cpus, add_cpu, &reading, 0) == cpus;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
