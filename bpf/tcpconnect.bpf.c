// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP connections that programs open, per network namespace: how long until they are established, or how they fail.
 *
 * From the state SYN_SENT until ESTABLISHED or CLOSE. The other side of a handshake is not measured: the kernel keeps
 * no socket for it before it is over, and no tracepoint tells when it began.
 *
 * Hook: inet_sock_set_state. Kernel: 5.10.
 */
#include "netns_times.h"
#include "typed_net.h"
#include "vmlinux.h"
#include <linux/errno.h>

enum kind {
	KIND_CONNECTED,
	KIND_REFUSED, /* by a reset or an ICMP message that means the same */
	KIND_TIMED_OUT,
	KIND_UNREACHABLE,
	KIND_NO_PORT, /* no local port was free */
	KIND_ABANDONED, /* by the program */
	KIND_OTHER,
};
DESCRIBED(enum kind);

#define TCP_ESTABLISHED 1 /* enum in net/tcp_states.h */
#define TCP_SYN_SENT 2
#define TCP_CLOSE 7

/* When it began; goes with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} begun SEC(".maps");

/* The same where programs have no storage of sockets: under the address of the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* set before load, where it is used */
	__type(key, __u64);
	__type(value, __u64);
} by_address SEC(".maps");

static __always_inline __u64 *begun_of(struct sock *sk, int make)
{
	__u64 key = (__u64)sk, now = 0;

	if (typed)
		return bpf_sk_storage_get(&begun, sk, 0, make ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	if (make)
		bpf_map_update_elem(&by_address, &key, &now, BPF_ANY);
	return bpf_map_lookup_elem(&by_address, &key);
}

static __always_inline void forget(struct sock *sk)
{
	__u64 key = (__u64)sk;

	if (typed)
		bpf_sk_storage_delete(&begun, sk);
	else
		bpf_map_delete_elem(&by_address, &key);
}

static __always_inline enum kind failure_of(struct sock *sk)
{
	const struct inet_sock *inet = (void *)sk;

	switch (READ(sk, sk_err)) {
	case 0:
		return BPF_CORE_READ(inet, inet_sport) ? KIND_ABANDONED : KIND_NO_PORT;
	case ECONNREFUSED:
		return KIND_REFUSED;
	case ETIMEDOUT:
		return KIND_TIMED_OUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
		return KIND_UNREACHABLE;
	default:
		return KIND_OTHER;
	}
}

SEC("tp_btf/inet_sock_set_state")
int set_state(__u64 *ctx)
{
	struct sock *sk = (void *)ctx[0];
	int state = ctx[2];
	__u64 *since;

	if (state != TCP_SYN_SENT && state != TCP_ESTABLISHED && state != TCP_CLOSE)
		return 0;
	if (!tcp_of(sk))
		return 0;
	since = begun_of(sk, state == TCP_SYN_SENT);
	if (state == TCP_SYN_SENT) {
		if (since)
			*since = bpf_ktime_get_ns();
		else
			count_fault(FAULT_MAP_FULL);
	} else if (since) { /* else it was accepted, was established before, or had begun before we watched */
		time_in(cookie_in(READ(sk, __sk_common.skc_net.net)),
			state == TCP_ESTABLISHED ? KIND_CONNECTED : failure_of(sk), bpf_ktime_get_ns() - *since);
		forget(sk);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
