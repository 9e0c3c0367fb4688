// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The TCP sockets of every network namespace, summed up in one walk over the kernel's tables, with the numbers that
 * NETLINK_SOCK_DIAG would give in each of them.
 *
 * Hook: none; `syscall` programs that user space runs once per cycle: begin, then walk until it says that it is done,
 * then end. Kernel: 5.19, since when all listeners are in one table by port and address.
 *
 * Connections of all namespaces and both families share one table of chains, most of which are empty: the heads of many
 * are read at once. Requests in their handshake and connections in TIME_WAIT are in it too. Nothing is locked, so a
 * socket may go, or move to another chain, while the program stands on it. What a chain holds therefore only counts
 * once it was followed to its own end (which carries the chain's number) over sockets that all belong to it (by their
 * hash); else it is read again.
 */
#include "socket_rows.h"
#include "vmlinux.h"

#define HEADS 512 /* read at once */
#define LISTENER_HEADS 64 /* the same, as each has a lock beside it */
#define LISTENER_STRIDE 64 /* the most that lock and head may take */
#define CHAIN_ROOM 1024 /* sockets in one chain */
#define TRIES 16 /* at one chain */
#define COMMON_ROOM 192 /* bytes that a kernel's struct sock_common may have */

#define FAMILY_IP6 10
#define USER_DATA_PSOCK 4ul /* in sk_user_data: the rest of it points to a struct sk_psock */
#define LISTENING_NULLS_BASE (1u << 29) /* numbers of the chains of listeners begin here */
enum { SYN_RECV = 3, TIME_WAIT = 6, LISTEN = 10, NEW_SYN_RECV = 12 };

const volatile __u32 sockets_per_run = 8192; /* so that no CPU is held for more than some milliseconds */

/* A socket of the chain at hand. */
struct found {
	__u64 destination;
	__u32 row;
	__u32 receive;
	__u32 send;
	__u16 port;
	__u8 state;
	__u8 in_sockmap;
};

static struct found chain_sockets[CHAIN_ROOM];
static __u64 heads[HEADS];
static __u64 common[COMMON_ROOM / sizeof(__u64)];

/* The walk from run to run. */
static __u64 connection_table;
static __u64 listener_table;
static __u32 connection_mask;
static __u32 listener_mask;
static __u32 next_bucket; /* those of listeners follow those of connections */
static __u32 sockets_left;

#define COMMON(member, type) (*(type *)((void *)common + bpf_core_field_offset(struct sock_common, member)))

/* The path of the socket in `common`, but for its local port. */
__attribute__((noinline)) __u64 fingerprint(__u32 row)
{
	__u64 hash = mix(seed, (__u64)row << 16 | COMMON(skc_dport, __u16));

	if (COMMON(skc_family, __u16) == FAMILY_IP6 && bpf_core_field_exists(struct sock_common, skc_v6_daddr)) {
		__u64 *remote = &COMMON(skc_v6_daddr, __u64), *local = &COMMON(skc_v6_rcv_saddr, __u64);

		hash = mix(mix(hash, remote[0]), remote[1]);
		hash = mix(mix(hash, local[0]), local[1]);
	} else {
		hash = mix(hash, (__u64)COMMON(skc_daddr, __u32) << 32 | COMMON(skc_rcv_saddr, __u32));
	}
	return hash | 1ull << 63; /* apart from ports, whose keys are small */
}

static __always_inline void read_queues(struct found *found, struct tcp_sock *tp)
{
	__s32 unread = BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq);

	found->receive = unread > 0 ? unread : 0; /* a FIN is beyond what can be read */
	found->send = BPF_CORE_READ(tp, write_seq) - BPF_CORE_READ(tp, snd_una);
}

/* What waits in a sockmap is unread as well for kernels that count it; they are asked themselves then. */
static __always_inline int in_sockmap(struct sock *sk)
{
	return bpf_core_field_exists(struct sk_psock, msg_tot_len) &&
	       ((__u64)BPF_CORE_READ(sk, sk_user_data) & USER_DATA_PSOCK);
}

struct chain {
	__u64 node;
	__u32 bucket;
	__u32 found;
	__u32 listening;
	__u32 broken;
};

/* The socket that the chain stands on. */
static long visit(__u32 index, struct chain *chain)
{
	void *sk = (void *)chain->node - bpf_core_field_offset(struct sock_common, skc_nulls_node);
	struct found *found;
	__u32 state;
	int row;

	if (chain->node & 1)
		return 1;
	chain->broken = 1;
	if (chain->found >= CHAIN_ROOM || bpf_probe_read_kernel(common, bpf_core_type_size(struct sock_common), sk))
		return 1;
	state = COMMON(skc_state, __u8);
	if (chain->listening ? state != LISTEN : (COMMON(skc_hash, __u32) & connection_mask) != chain->bucket)
		return 1;
	chain->broken = 0;
	chain->node = COMMON(skc_nulls_node.next, __u64);
	row = row_of(COMMON(skc_net.net, __u64));
	if (row < 0 || !COMMON(skc_refcnt.refs.counter, __u32)) /* without a place, or about to be freed */
		return 0;
	found = &chain_sockets[chain->found++ & (CHAIN_ROOM - 1)];
	found->row = row;
	found->port = COMMON(skc_num, __u16);
	found->receive = found->send = found->in_sockmap = 0;
	if (chain->listening) {
		found->receive = BPF_CORE_READ((struct sock *)sk, sk_ack_backlog);
		found->send = BPF_CORE_READ((struct sock *)sk, sk_max_ack_backlog);
	} else if (state == NEW_SYN_RECV) {
		state = SYN_RECV;
	} else if (state == TIME_WAIT) {
		state = BPF_CORE_READ((struct inet_timewait_sock *)sk, tw_substate);
	} else {
		read_queues(found, (struct tcp_sock *)sk);
		found->in_sockmap = in_sockmap(sk);
	}
	found->state = state;
	found->destination = chain->listening ? 0 : fingerprint(row);
	return 0;
}

static __always_inline void add_listener(struct row *row, struct found *found)
{
	struct outcome *outcome = the_outcome();
	struct listener *listener;
	__u32 index;

	if (!outcome)
		return;
	index = outcome->listeners;
	listener = bpf_map_lookup_elem(&listeners, &index);
	if (!listener) {
		row->incomplete = 1;
		return;
	}
	outcome->listeners = index + 1;
	listener->row = found->row;
	listener->port = found->port;
	listener->depth = found->receive;
	listener->limit = found->send;
}

static __always_inline void add_connection(struct row *row, struct found *found)
{
	__u32 times = count(found->destination);

	row->states[found->state & (STATES - 1)]++;
	row->rxqueue += found->receive;
	row->txqueue += found->send;
	if (!times || found->in_sockmap)
		row->incomplete = 1;
	if (times > row->busiest)
		row->busiest = times;
	if (found->port < row->low_port || found->port > row->high_port)
		return;
	times = count(found->row << 16 | found->port);
	if (!times)
		row->incomplete = 1;
	else if (times == 1)
		row->ports++;
}

static long take(__u32 index, struct chain *chain)
{
	struct found *found = &chain_sockets[index & (CHAIN_ROOM - 1)];
	__u32 key = found->row;
	struct row *row = bpf_map_lookup_elem(&rows, &key);

	if (!row)
		return 1;
	if (chain->listening)
		add_listener(row, found);
	else
		add_connection(row, found);
	return 0;
}

/* All sockets of a chain, or none of them where it does not hold still. */
__attribute__((noinline)) int follow(__u64 head, __u32 bucket, __u32 listening)
{
	__u64 end = ((__u64)bucket + (listening ? LISTENING_NULLS_BASE : 0)) << 1 | 1;
	__u64 stride = listening ? bpf_core_type_size(struct inet_listen_hashbucket)
				 : bpf_core_type_size(struct inet_ehash_bucket);
	__u64 offset = listening ? bpf_core_field_offset(struct inet_listen_hashbucket, nulls_head)
				 : bpf_core_field_offset(struct inet_ehash_bucket, chain);
	__u64 table = listening ? listener_table : connection_table;
	struct chain chain = {.node = head, .bucket = bucket, .listening = listening};
	struct outcome *outcome = the_outcome();

	if (!outcome)
		return 1;
	for (__u32 tries = 0; tries < TRIES; tries++) {
		bpf_loop(CHAIN_ROOM + 1, visit, &chain, 0);
		if (!chain.broken && chain.node == end) {
			bpf_loop(chain.found, take, &chain, 0);
			outcome->sockets += chain.found;
			sockets_left -= chain.found < sockets_left ? chain.found : sockets_left;
			return 0;
		}
		outcome->again++;
		chain.found = chain.broken = 0;
		if (bpf_probe_read_kernel(&chain.node, sizeof(chain.node), (void *)(table + bucket * stride + offset)))
			break;
	}
	outcome->unsettled++;
	return 1;
}

/* The heads of chains from one table; where that cannot be, the walk is as good as a chain that does not settle. */
static __always_inline int read_heads(__u64 from, __u64 size)
{
	struct outcome *outcome = the_outcome();

	barrier_var(size); /* else the compiler moves the limit to where the verifier does not see it */
	if (size > sizeof(heads))
		size = sizeof(heads);
	if (!bpf_probe_read_kernel(heads, size, (void *)from))
		return 1;
	if (outcome)
		outcome->unsettled++;
	return 0;
}

/* Those of eight chains that are not empty. */
__attribute__((noinline)) int follow_eight(__u32 first, __u32 i)
{
	for (__u32 j = 0; j < 8; j++) {
		__u64 head = heads[(i + j) & (HEADS - 1)];

		if (!(head & 1) && first + i + j <= connection_mask)
			follow(head, first + i + j, 0);
	}
	return 0;
}

static __always_inline void read_connections(__u32 first)
{
	__u32 rest = connection_mask + 1 - first;

	if (!read_heads(connection_table + first * sizeof(__u64), rest * sizeof(__u64)))
		return;
	for (__u32 i = 0; i < HEADS && i < rest; i += 8) {
		__u64 *eight = heads + i;

		if (!(eight[0] & eight[1] & eight[2] & eight[3] & eight[4] & eight[5] & eight[6] & eight[7] & 1))
			follow_eight(first, i);
	}
}

static __always_inline void read_listeners(__u32 first)
{
	__u32 rest = listener_mask + 1 - first;
	__u64 stride = bpf_core_type_size(struct inet_listen_hashbucket);
	__u64 offset = bpf_core_field_offset(struct inet_listen_hashbucket, nulls_head);

	if (!read_heads(listener_table + first * stride, (rest < LISTENER_HEADS ? rest : LISTENER_HEADS) * stride))
		return;
	for (__u32 i = 0; i < LISTENER_HEADS && i < rest; i++, offset += stride) {
		__u64 head = *(__u64 *)((void *)heads + offset);

		if (!(head & 1))
			follow(head, first + i, 1);
	}
}

static long visit_buckets(__u32 index, void *context)
{
	__u32 first = next_bucket, of_connections = connection_mask + 1;

	if (first < of_connections) {
		read_connections(first);
		next_bucket = first + HEADS < of_connections ? first + HEADS : of_connections;
		return !sockets_left;
	}
	first -= of_connections;
	if (first > listener_mask)
		return 1;
	read_listeners(first);
	next_bucket += LISTENER_HEADS;
	return !sockets_left;
}

/* Note the namespaces and find the tables; not 0 where this kernel's are others. */
SEC("syscall")
int begin(void *context)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct net *own = BPF_CORE_READ(task, nsproxy, net_ns);
	struct list_head *first = (void *)own + bpf_core_field_offset(struct net, list);
	struct namespaces walk = {.first = first, .here = first};
	struct outcome *outcome = the_outcome();
	struct inet_hashinfo *info;

	if (!outcome || bpf_core_field_exists(struct inet_hashinfo___by_port, listening_hash) ||
	    bpf_core_type_size(struct inet_listen_hashbucket) > LISTENER_STRIDE ||
	    bpf_core_type_size(struct inet_ehash_bucket) != sizeof(__u64))
		return 1;
	*outcome = (struct outcome){};
	walk_number++;
	next_bucket = 0;
	shared_tables = 0;
	bpf_loop(MAX_NAMESPACES, note_netns, &walk, 0);
	info = (void *)shared_tables;
	connection_table = (__u64)BPF_CORE_READ(info, ehash);
	connection_mask = BPF_CORE_READ(info, ehash_mask);
	listener_table = (__u64)BPF_CORE_READ(info, lhash2);
	listener_mask = BPF_CORE_READ(info, lhash2_mask);
	return !connection_table || !listener_table;
}

/* Some of the sockets; 1 while there are more. */
SEC("syscall")
int walk(void *context)
{
	sockets_left = sockets_per_run;
	bpf_loop((connection_mask + listener_mask) / LISTENER_HEADS + 4, visit_buckets, NULL, 0);
	return next_bucket <= connection_mask + 1 + listener_mask;
}

/* Take back the rows of namespaces that ended meanwhile, or whose connections are in a table of their own. */
SEC("syscall")
int end(void *context)
{
	struct outcome *outcome = the_outcome();

	if (!outcome)
		return 1;
	bpf_loop(outcome->rows, check_row, NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
