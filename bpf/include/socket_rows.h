/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a walk over the sockets of all namespaces finds out about each of these, and how a namespace, a local port and a
 * destination are found again while it goes on.
 *
 * A namespace may end during the walk, or have a table of connections of its own: then its row is taken back.
 */
#ifndef SOCKET_ROWS_H
#define SOCKET_ROWS_H

#include "types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define MAX_NAMESPACES 65536 /* walked at most */
#define PLACES 4096 /* for namespaces in the table that finds their row; a power of two */
#define PROBES 32 /* entries tried in a table */
#define STATES 16

const volatile __u32 counted_mask = 0; /* entries of the map `counted`, a power of two, less one */
const volatile __u64 seed = 0; /* of the hashes, so that no pod can make collisions */

struct row {
	netns_ino inode; /* 0: the namespace ended meanwhile, or has a table of its own */
	__u32 incomplete; /* there was no room for something of it, or the kernel alone knows */
	__u64 net; /* its address */
	__u64 cookie;
	__u64 rxqueue;
	__u64 txqueue;
	__u32 low_port; /* the range that connections get local ports from */
	__u32 high_port;
	__u32 ports; /* of that range in use */
	__u32 busiest; /* most connections from one local address to one remote address and port */
	__u32 states[STATES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16); /* set by user space */
	__type(key, __u32);
	__type(value, struct row);
} rows SEC(".maps");

struct listener {
	__u32 row;
	__u32 port;
	__u32 depth;
	__u32 limit;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 16); /* set by user space */
	__type(key, __u32);
	__type(value, struct listener);
} listeners SEC(".maps");

/* What user space learns besides. */
struct outcome {
	__u32 namespaces; /* seen, whether there was room for them or not */
	__u32 rows;
	__u32 listeners;
	__u32 sockets;
	__u32 again; /* chains that had to be read again */
	__u32 unsettled; /* chains that were given up: nothing of this walk may be believed */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct outcome);
} outcomes SEC(".maps");

/*
 * How often something was seen in this walk: a local port of a namespace, or a destination by a fingerprint of 63 bits.
 * Entries of walks before are free, so nothing has to be cleared.
 */
struct counted {
	__u64 key;
	__u32 walk;
	__u32 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024); /* set by user space */
	__type(key, __u32);
	__type(value, struct counted);
} counted SEC(".maps");

static struct place {
	__u64 net;
	__u32 walk;
	__u32 row;
} places[PLACES];
static __u32 walk_number; /* tells entries of this walk from those of others */
static __u64 shared_tables; /* the struct inet_hashinfo that namespaces share */

static __always_inline struct outcome *the_outcome(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&outcomes, &zero);
}

static __always_inline __u64 mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 32;
}

/* Functions that are not static are looked at by the verifier once, rather than on each path that leads to them. */

/* The row of a namespace; -1 where it has none. */
__attribute__((noinline)) int row_of(__u64 net)
{
	__u32 at = mix(seed, net);

	for (__u32 i = 0; i < PROBES; i++) {
		struct place *place = &places[(at + i) & (PLACES - 1)];

		if (place->walk != walk_number)
			return -1;
		if (place->net == net)
			return place->row;
	}
	return -1;
}

static __always_inline int give_row(__u64 net, __u32 row)
{
	__u32 at = mix(seed, net);

	for (__u32 i = 0; i < PROBES; i++) {
		struct place *place = &places[(at + i) & (PLACES - 1)];

		if (place->walk == walk_number && place->net == net) /* a list that changes may lead there twice */
			return 0;
		if (place->walk != walk_number) {
			place->net = net;
			place->walk = walk_number;
			place->row = row;
			return 1;
		}
	}
	return 0;
}

/* How often the key was seen in this walk, this time included; 0 where there is no room. */
__attribute__((noinline)) __u32 count(__u64 key)
{
	__u64 hash = mix(seed, key);
	__u32 at = hash, step = (hash >> 32) | 1;

	for (__u32 i = 0; i < PROBES; i++) {
		__u32 index = at & counted_mask;
		struct counted *entry = bpf_map_lookup_elem(&counted, &index);

		if (!entry)
			return 0;
		if (entry->walk != walk_number) {
			entry->key = key;
			entry->walk = walk_number;
			entry->count = 0;
		}
		if (entry->key == key)
			return ++entry->count;
		at += step;
	}
	return 0;
}

/* A namespace knows its loopback device and that device its namespace. No other memory looks like this. */
static __always_inline int is_netns(struct net *net)
{
	return BPF_CORE_READ(net, loopback_dev, nd_net.net) == net;
}

static __always_inline void read_port_range(struct row *row, struct net *net)
{
	struct local_ports___pair *pair;
	__u32 range;

	if (bpf_core_field_exists(struct local_ports___pair, range)) {
		pair = (void *)net + bpf_core_field_offset(struct net, ipv4.ip_local_ports);
		row->low_port = BPF_CORE_READ(pair, range[0]);
		row->high_port = BPF_CORE_READ(pair, range[1]);
	} else {
		range = BPF_CORE_READ(net, ipv4.ip_local_ports.range);
		row->low_port = range & 0xffff;
		row->high_port = range >> 16;
	}
}

struct namespaces {
	struct list_head *first, *here;
};

static long note_netns(__u32 index, struct namespaces *walk)
{
	struct list_head *here = walk->here;
	struct net *net = (void *)here - bpf_core_field_offset(struct net, list);
	struct outcome *outcome = the_outcome();
	struct inet_hashinfo *info;
	struct row *row;
	__u32 key;

	walk->here = BPF_CORE_READ(here, next);
	if (outcome && is_netns(net)) { /* the head of the list is not part of one */
		info = BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
		if (!shared_tables && !BPF_CORE_READ(info, pernet))
			shared_tables = (__u64)info;
		key = outcome->rows;
		row = bpf_map_lookup_elem(&rows, &key);
		outcome->namespaces++;
		if (row && give_row((__u64)net, key)) {
			outcome->rows = key + 1;
			*row = (struct row){.net = (__u64)net};
			row->cookie = BPF_CORE_READ(net, net_cookie);
			row->inode = BPF_CORE_READ(net, ns.inum);
			read_port_range(row, net);
		}
	}
	return !walk->here || walk->here == walk->first;
}

static long check_row(__u32 index, void *context)
{
	struct row *row = bpf_map_lookup_elem(&rows, &index);
	struct net *net;

	if (!row)
		return 1;
	net = (void *)row->net;
	if (BPF_CORE_READ(net, net_cookie) != row->cookie || BPF_CORE_READ(net, ns.inum) != row->inode ||
	    (__u64)BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo) != shared_tables)
		row->inode = 0;
	return 0;
}

#endif
