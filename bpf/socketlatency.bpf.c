// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long TCP data waits at a socket, per network namespace: what arrived, until the program takes of it; what the
 * program wrote, until TCP sends of it.
 *
 * A wait begins when something comes into an empty queue, and ends when the first of it is taken. What is left waits
 * anew, and counts only when that takes long (over slow_ns): a program that reads on, and TCP that sends on, are not
 * slow, however much there is. Peeking takes nothing.
 *
 * Where they are sampled, sockets take turns: what is known of one has to be known whole. A wait that crosses an end of
 * its turn is left out, and so is one whose beginning is in doubt.
 *
 * Hooks: sk_data_ready (Linux 6.3), else sock_def_readable: readable. tcp_rcv_space_adjust: the program took, whatever
 * call it used. tcp_sendmsg_locked, a tracepoint since Linux 6.16: the program writes (what sendfile sends too, since
 * 6.5). net_dev_queue: a segment goes to a device. All run with the socket locked or on packets it sends just then, so
 * nobody else changes what is kept about it. Kernel: 5.10; what is kept goes with the socket since 5.11.
 */
#include "kprobe.h"
#include "net_events.h"
#include "netns_times.h"
#include "sampling.h"
#include "typed_net.h"
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <linux/tcp.h>

enum kind {
	KIND_READ,
	KIND_WRITE,
};
DESCRIBED(enum kind);

#define TCP_ESTABLISHED 1 /* enum in net/tcp_states.h */
#define TCP_LISTEN 10

const volatile __u32 turn_bits = 13; /* a turn is 2^13 jiffies: 8 s with 1,000 a second, 33 s with 250 */

struct wait {
	__u64 since; /* 0: nothing waits */
	__u32 taken; /* up to this sequence number, when it began */
	__u32 rest; /* it was left by the last that was taken */
};

/* Who wrote, as data may be sent by anybody; kept only for events. */
struct writer {
	__u8 command[16];
	__u32 pid;
	__u32 padding;
};

struct waits {
	struct wait read;
	struct wait write;
	__u64 turn; /* in which somebody looked last */
	__u64 read_empty; /* nothing was left for programs when one last read */
	struct writer writer;
};

/* Goes with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct waits);
} waits SEC(".maps");

/* The same where programs have no storage of sockets: under the address of the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* set before load, where it is used */
	__type(key, __u64);
	__type(value, struct waits);
} by_address SEC(".maps");

static __always_inline __u64 turn_now(void)
{
	return all_are_measured() ? 0 : bpf_jiffies64() >> turn_bits;
}

static const struct waits nothing_known;

static __always_inline struct waits *waits_kept(struct sock *sk)
{
	__u64 key = (__u64)sk;

	return typed ? bpf_sk_storage_get(&waits, sk, 0, 0) : bpf_map_lookup_elem(&by_address, &key);
}

static __always_inline struct waits *waits_made(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct waits *found;

	if (!typed)
		return lookup_or_init(&by_address, &key, &nothing_known);
	found = bpf_sk_storage_get(&waits, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!found)
		count_fault(FAULT_MAP_FULL);
	return found;
}

/* What is known of a socket that has its turn. After a turn that was not its own that is nothing. */
static __always_inline struct waits *waits_of(struct sock *sk, __u64 turn, int make)
{
	struct waits *found = make ? waits_made(sk) : waits_kept(sk);

	if (!found)
		return NULL;
	if (found->turn + 1 < turn)
		*found = nothing_known;
	found->turn = turn;
	return found;
}

SEC("?tp_btf/tcp_destroy_sock")
int destroy_sock(__u64 *ctx)
{
	__u64 key = ctx[0]; /* no key may lie in the context */

	bpf_map_delete_elem(&by_address, &key);
	return 0;
}

static __always_inline void begin(struct wait *wait, __u32 taken)
{
	wait->taken = taken;
	wait->rest = 0;
	wait->since = bpf_ktime_get_ns();
}

static __always_inline void note_current(struct writer *who)
{
	who->pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(who->command, sizeof(who->command));
}

/* `writer` is NULL where data were read, as its program does that itself. */
static __always_inline void tell(void *ctx, enum kind kind, struct sock *sk, __u64 took, const struct writer *writer)
{
	struct traced_net_event traced = {.event.kind = kind, .event.amount = 1, .event.latency = event_span(took)};
	struct writer who = {};

	if (writer)
		who = *writer;
	else
		note_current(&who);
	__builtin_memcpy(traced.event.command, who.command, sizeof(traced.event.command));
	traced.event.pid = who.pid;
	event_of_sock(&traced.event, sk);
	event_tell(ctx, &traced);
}

static __always_inline void take(void *ctx, struct wait *wait, enum kind kind, struct sock *sk, __u32 taken, int left,
				 const struct writer *writer)
{
	__u64 now, took;

	if (!wait->since || wait->taken == taken)
		return;
	now = bpf_ktime_get_ns();
	took = now - wait->since;
	if (!wait->rest || took > slow_ns)
		time_in(cookie_in(READ(sk, __sk_common.skc_net.net)), kind, took);
	if (took > very_slow_ns && event_wanted())
		tell(ctx, kind, sk, took, writer);
	wait->since = left ? now : 0;
	wait->taken = taken;
	wait->rest = 1;
}

/* As was seen, or it is the first there ever was, and no end of the stream that comes later. */
static __always_inline int came_into_nothing(const struct tcp_sock *tcp, const struct waits *waits)
{
	const struct sock *sk = (void *)tcp;

	return all_are_measured() || waits->read_empty ||
	       (READ(tcp, data_segs_in) == 1 && READ(sk, __sk_common.skc_state) == TCP_ESTABLISHED);
}

static __always_inline int on_readable(struct sock *sk)
{
	__u64 turn = turn_now();
	struct tcp_sock *tcp;
	struct waits *waits;
	__u32 taken;

	if (!measured_in_turn((__u64)sk, turn))
		return 0;
	tcp = tcp_of(sk);
	if (!tcp || READ(sk, __sk_common.skc_state) == TCP_LISTEN)
		return 0;
	taken = READ(tcp, copied_seq);
	if (READ(tcp, rcv_nxt) == taken)
		return 0;
	waits = waits_of(sk, turn, 1);
	if (waits && !waits->read.since && came_into_nothing(tcp, waits))
		begin(&waits->read, taken);
	return 0;
}

static __always_inline void begin_write(struct waits *waits, __u32 sent)
{
	begin(&waits->write, sent);
	if (events_per_second)
		note_current(&waits->writer);
}

static __always_inline int on_write(struct sock *sk)
{
	__u64 turn = turn_now();
	struct tcp_sock *tcp;
	struct waits *waits;
	__u32 sent;

	if (!measured_in_turn((__u64)sk, turn))
		return 0;
	tcp = tcp_of(sk);
	waits = tcp ? waits_of(sk, turn, 1) : NULL;
	if (!waits)
		return 0;
	sent = READ(tcp, snd_nxt);
	/* With nothing unsent, what waited was not written after all, or sent in a way that is not seen here. */
	if ((all_are_measured() && !waits->write.since) || READ(tcp, write_seq) == sent)
		begin_write(waits, sent);
	return 0;
}

SEC("?tp_btf/sk_data_ready")
int data_ready(__u64 *ctx)
{
	return on_readable((void *)ctx[0]);
}

SEC("?fentry/sock_def_readable")
int data_ready_fentry(__u64 *ctx)
{
	return on_readable((void *)ctx[0]);
}

SEC("?kprobe/sock_def_readable")
int data_ready_kprobe(struct pt_regs *ctx)
{
	return on_readable((void *)PT_REGS_PARM1(ctx));
}

SEC("tp_btf/tcp_rcv_space_adjust")
int rcv_space_adjust(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	__u64 turn = turn_now();
	struct waits *found;
	struct tcp_sock *tcp;
	__u32 taken;
	int left;

	if (!measured_in_turn((__u64)sk, turn))
		return 0;
	found = waits_of(sk, turn, !all_are_measured());
	tcp = found ? tcp_of(sk) : NULL;
	if (!tcp)
		return 0;
	taken = READ(tcp, copied_seq);
	left = READ(tcp, rcv_nxt) != taken;
	take(ctx, &found->read, KIND_READ, sk, taken, left, NULL);
	found->read_empty = !left;
	return 0;
}

SEC("?tp_btf/tcp_sendmsg_locked")
int sendmsg(__u64 *ctx)
{
	return on_write((void *)ctx[0]);
}

SEC("?fentry/tcp_sendmsg_locked")
int sendmsg_fentry(__u64 *ctx)
{
	return on_write((void *)ctx[0]);
}

SEC("?kprobe/tcp_sendmsg_locked")
int sendmsg_kprobe(struct pt_regs *ctx)
{
	return on_write((void *)PT_REGS_PARM1(ctx));
}

/* The segment, as snd_nxt moves only once it was handed down. Sent again, it is from before; an ACK has no data. */
SEC("tp_btf/net_dev_queue")
int dev_queue(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct sock *sk = READ(skb, sk);
	__u64 turn = turn_now();
	struct waits *found;
	const struct tcp_sock *tcp = (void *)sk;
	__u32 seq, data, next;
	struct tcphdr header;
	unsigned char *start;

	if (!sk || !measured_in_turn((__u64)sk, turn))
		return 0;
	found = waits_of(sk, turn, 0);
	if (!found || !found->write.since)
		return 0;
	if (READ(skb, dev, nd_net.net) != READ(sk, __sk_common.skc_net.net)) /* it left, and still tells who sent it */
		return 0;
	start = BPF_CORE_READ(skb, head) + READ(skb, transport_header);
	if (bpf_probe_read_kernel(&header, sizeof(header), start))
		return 0;
	seq = bpf_ntohl(header.seq);
	data = READ(skb, len) - (start - BPF_CORE_READ(skb, data)) - header.doff * 4;
	if (!data || seq != BPF_CORE_READ(tcp, snd_nxt))
		return 0;
	next = seq + data;
	take(ctx, &found->write, KIND_WRITE, sk, next, next != BPF_CORE_READ(tcp, write_seq), &found->writer);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
