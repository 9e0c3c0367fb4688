// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long TCP data waits at a socket, per network namespace: what arrived, until the program takes of it; what the
 * program wrote, until TCP sends of it.
 *
 * A wait begins when something comes into an empty queue, and ends when the first of it is taken. What is left waits
 * anew, and counts only when that takes long (over slow_ns): a program that reads on, and TCP that sends on, are not
 * slow, however much there is. Peeking takes nothing.
 *
 * Hooks: sk_data_ready (Linux 6.3), else sock_def_readable: readable. tcp_rcv_space_adjust: the program took, whatever
 * call it used. tcp_sendmsg_locked, a tracepoint since Linux 6.16: the program writes (what sendfile sends too, since
 * 6.5). net_dev_queue: a segment goes to a device. All run with the socket locked or on packets it sends just then, so
 * nobody else changes what is kept about it. Kernel: 5.17, for netns_list.h.
 */
#include "netns_times.h"
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <linux/tcp.h>

enum kind {
	KIND_READ,
	KIND_WRITE,
};
DESCRIBED(enum kind);

#define TCP_LISTEN 10 /* enum in net/tcp_states.h */

struct wait {
	__u64 since; /* 0: nothing waits */
	__u32 taken; /* up to this sequence number, when it began */
	__u32 rest; /* it was left by the last that was taken */
};

struct waits {
	struct wait read;
	struct wait write;
};

/* Goes with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct waits);
} waits SEC(".maps");

static __always_inline struct waits *waits_made(struct tcp_sock *tcp)
{
	struct waits *found = bpf_sk_storage_get(&waits, tcp, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!found)
		count_fault(FAULT_MAP_FULL);
	return found;
}

static __always_inline void begin(struct wait *wait, __u32 taken)
{
	wait->taken = taken;
	wait->rest = 0;
	wait->since = bpf_ktime_get_ns();
}

static __always_inline void take(struct wait *wait, enum kind kind, struct sock *sk, __u32 taken, int left)
{
	__u64 now, took;

	if (!wait->since || wait->taken == taken)
		return;
	now = bpf_ktime_get_ns();
	took = now - wait->since;
	if (!wait->rest || took > slow_ns)
		time_in(sk->__sk_common.skc_net.net->net_cookie, kind, took);
	wait->since = left ? now : 0;
	wait->taken = taken;
	wait->rest = 1;
}

static __always_inline int on_readable(struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct waits *waits;

	if (!tcp || sk->__sk_common.skc_state == TCP_LISTEN || tcp->rcv_nxt == tcp->copied_seq)
		return 0;
	waits = waits_made(tcp);
	if (waits && !waits->read.since)
		begin(&waits->read, tcp->copied_seq);
	return 0;
}

static __always_inline int on_write(struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct waits *waits = tcp ? waits_made(tcp) : NULL;

	/* With nothing unsent, what waited was not written after all, or sent in a way that is not seen here. */
	if (waits && (!waits->write.since || tcp->write_seq == tcp->snd_nxt))
		begin(&waits->write, tcp->snd_nxt);
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

SEC("tp_btf/tcp_rcv_space_adjust")
int rcv_space_adjust(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct waits *found = bpf_sk_storage_get(&waits, sk, 0, 0);
	struct tcp_sock *tcp;

	if (!found || !found->read.since)
		return 0;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (tcp)
		take(&found->read, KIND_READ, sk, tcp->copied_seq, tcp->rcv_nxt != tcp->copied_seq);
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

/* The segment, as snd_nxt moves only once it was handed down. Sent again, it is from before; an ACK has no data. */
SEC("tp_btf/net_dev_queue")
int dev_queue(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct sock *sk = skb->sk;
	struct waits *found = sk ? bpf_sk_storage_get(&waits, sk, 0, 0) : NULL;
	const struct tcp_sock *tcp = (void *)sk;
	__u32 seq, data, next;
	struct tcphdr header;
	unsigned char *start;

	if (!found || !found->write.since)
		return 0;
	if (skb->dev->nd_net.net != sk->__sk_common.skc_net.net) /* it left, and still tells who sent it */
		return 0;
	start = BPF_CORE_READ(skb, head) + skb->transport_header;
	if (bpf_probe_read_kernel(&header, sizeof(header), start))
		return 0;
	seq = bpf_ntohl(header.seq);
	data = skb->len - (start - BPF_CORE_READ(skb, data)) - header.doff * 4;
	if (!data || seq != BPF_CORE_READ(tcp, snd_nxt))
		return 0;
	next = seq + data;
	take(&found->write, KIND_WRITE, sk, next, next != BPF_CORE_READ(tcp, write_seq));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
