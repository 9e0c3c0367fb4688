// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The counters of /proc/net/{snmp,netstat,snmp6} of every network namespace, in one run.
 *
 * Hook: none, see netns_rows.h. Kernel: 5.19, for bpf_loop and bpf_map_lookup_percpu_elem.
 */
#include "percpu.h"

/* Room for a kernel's counters: what Linux 7.3 has, and some. */
#define IP_ROOM 48
#define TCP_ROOM 24
#define UDP_ROOM 16
#define LINUX_ROOM 160
#define ICMP_ROOM 40
#define ICMP6_ROOM 16

/* ICMP messages are counted by type, received ones from 0 and sent ones from 256. */
#define SENT 256
#define ICMP_TYPES 20
#define ICMP6_ERROR_TYPES 8
#define ICMP6_INFO 128 /* the first informational type */
#define ICMP6_INFO_TYPES 16

struct counters {
	__u64 ip[IP_ROOM];
	__u64 ip6[IP_ROOM];
	__u64 tcp[TCP_ROOM];
	__u64 udp[UDP_ROOM];
	__u64 udp6[UDP_ROOM];
	__u64 icmp[ICMP_ROOM];
	__u64 icmp6[ICMP6_ROOM];
	__u64 linux_[LINUX_ROOM];
};

struct row {
	__u64 inode;
	__u64 has_ip6;
	__u64 forwarding;
	__u64 default_ttl;
	__u64 icmp_in[ICMP_TYPES];
	__u64 icmp_out[ICMP_TYPES];
	__u64 icmp6_in_errors[ICMP6_ERROR_TYPES];
	__u64 icmp6_in_info[ICMP6_INFO_TYPES];
	__u64 icmp6_out_errors[ICMP6_ERROR_TYPES];
	__u64 icmp6_out_info[ICMP6_INFO_TYPES];
	struct counters sum;
};

#include "netns_rows.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} part SEC(".maps"); /* one CPU's counters */

struct reading {
	struct counters *sum;
	__u64 ip, ip6, tcp, udp, udp6, icmp, icmp6, linux_;
};

/* Not static, as learn_cpus. */
__attribute__((noinline)) int sum_up(struct counters *sum, struct counters *scratch, __u64 keep)
{
	__u64 *into = (__u64 *)sum, *from = (__u64 *)scratch;

	if (!sum || !scratch)
		return 1;
	for (__u32 i = 0; i < sizeof(*sum) / sizeof(__u64); i++)
		into[i] = (into[i] & keep) + from[i];
	return 0;
}

/* Read one MIB of one CPU, as much of it as this kernel has. */
#define READ(field, type, room) \
	bpf_probe_read_kernel(scratch->field, ROOM_FOR(type, room), (const void *)(reading->field + offset))
#define ROOM_FOR(type, room) \
	(bpf_core_field_size(((struct type *)0)->mibs) < (room) * sizeof(__u64) \
		 ? bpf_core_field_size(((struct type *)0)->mibs) \
		 : (room) * sizeof(__u64))

/* Without a branch for each MIB: the verifier would try all their combinations. */
static long add_cpu(__u32 cpu, struct reading *reading)
{
	__u32 zero = 0;
	struct counters *scratch = bpf_map_lookup_elem(&part, &zero);
	struct counters *sum = reading->sum;
	__u64 offset = offsets[cpu & (MAX_CPUS - 1)];
	__u64 keep = cpu ? ~0ull : 0; /* the first CPU overwrites what the run before left */
	long failed;

	if (!scratch || !sum)
		return 1;
	failed = READ(ip, ipstats_mib, IP_ROOM);
	failed |= READ(tcp, tcp_mib, TCP_ROOM);
	failed |= READ(udp, udp_mib, UDP_ROOM);
	failed |= READ(icmp, icmp_mib, ICMP_ROOM);
	failed |= READ(linux_, linux_mib, LINUX_ROOM);
	failed |= READ(ip6, ipstats_mib, IP_ROOM);
	failed |= READ(udp6, udp_mib, UDP_ROOM);
	failed |= READ(icmp6, icmpv6_mib, ICMP6_ROOM);
	sum_up(sum, scratch, keep);
	return failed != 0;
}

/* Counters by type are not per CPU: they are rare enough for atomics. */
static __always_inline void copy(__u64 *into, __u32 size, const void *types, __u32 first)
{
	bpf_probe_read_kernel(into, size, types + first * sizeof(__u64));
}

static __always_inline void read_types(struct row *row, struct net *net)
{
	const void *icmp = BPF_CORE_READ(net, mib.icmpmsg_statistics);

	copy(row->icmp_in, sizeof(row->icmp_in), icmp, 0);
	copy(row->icmp_out, sizeof(row->icmp_out), icmp, SENT);
	if (bpf_core_field_exists(net->mib.icmpv6msg_statistics)) {
		const void *icmp6 = BPF_CORE_READ(net, mib.icmpv6msg_statistics);

		copy(row->icmp6_in_errors, sizeof(row->icmp6_in_errors), icmp6, 0);
		copy(row->icmp6_in_info, sizeof(row->icmp6_in_info), icmp6, ICMP6_INFO);
		copy(row->icmp6_out_errors, sizeof(row->icmp6_out_errors), icmp6, SENT);
		copy(row->icmp6_out_info, sizeof(row->icmp6_out_info), icmp6, SENT + ICMP6_INFO);
	}
}

/* Everything of one namespace; 0 where something could not be read. */
static int read_row(struct row *row, struct net *net, __u32 cpus)
{
	struct reading reading = {.sum = &row->sum};

	reading.ip = (__u64)BPF_CORE_READ(net, mib.ip_statistics);
	reading.tcp = (__u64)BPF_CORE_READ(net, mib.tcp_statistics);
	reading.udp = (__u64)BPF_CORE_READ(net, mib.udp_statistics);
	reading.icmp = (__u64)BPF_CORE_READ(net, mib.icmp_statistics);
	reading.linux_ = (__u64)BPF_CORE_READ(net, mib.net_statistics);
	if (bpf_core_field_exists(net->mib.ipv6_statistics)) {
		reading.ip6 = (__u64)BPF_CORE_READ(net, mib.ipv6_statistics);
		reading.udp6 = (__u64)BPF_CORE_READ(net, mib.udp_stats_in6);
		reading.icmp6 = (__u64)BPF_CORE_READ(net, mib.icmpv6_statistics);
	}
	row->has_ip6 = reading.ip6 && reading.udp6 && reading.icmp6;
	row->forwarding = BPF_CORE_READ(net, ipv4.devconf_all, data[0]) ? 1 : 2; /* as procfs spells it */
	row->default_ttl = BPF_CORE_READ(net, ipv4.sysctl_ip_default_ttl);
	read_types(row, net);
	return bpf_loop(cpus, add_cpu, &reading, 0) == cpus;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
