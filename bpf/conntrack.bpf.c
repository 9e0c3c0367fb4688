// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Changes of the connection tracking table as ctnetlink tells them: each is counted, and only so many in a second are
 * let through to whoever reads the socket that this is the filter of.
 *
 * Where: a netlink socket in its groups. What a filter refuses takes no room in the socket. Kernel: 5.8.
 */
#include "events.h"
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stddef.h>

#define NOTHING 0
#define EVERYTHING (-1)

enum change {
	CHANGE_NEW,
	CHANGE_UPDATE,
	CHANGE_DESTROY,
	CHANGE_EXPECTED,
	CHANGE_UNEXPECTED,
	CHANGE_UNKNOWN,
	CHANGES,
};
DESCRIBED(enum change);

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CHANGES);
	__type(key, __u32);
	__type(value, __u64);
} changes SEC(".maps");

static __always_inline enum change change_of(__u16 type, __u16 flags)
{
	switch (type) {
	case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW:
		return flags & NLM_F_CREATE ? CHANGE_NEW : CHANGE_UPDATE;
	case NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE:
		return CHANGE_DESTROY;
	case NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_NEW:
		return CHANGE_EXPECTED;
	case NFNL_SUBSYS_CTNETLINK_EXP << 8 | IPCTNL_MSG_EXP_DELETE:
		return CHANGE_UNEXPECTED;
	default:
		return CHANGE_UNKNOWN;
	}
}

SEC("socket")
int on_change(struct __sk_buff *skb)
{
	__u16 type = 0, flags = 0;
	__u64 *counter;
	__u32 change;

	bpf_skb_load_bytes(skb, offsetof(struct nlmsghdr, nlmsg_type), &type, sizeof(type));
	bpf_skb_load_bytes(skb, offsetof(struct nlmsghdr, nlmsg_flags), &flags, sizeof(flags));
	change = change_of(type, flags);
	counter = bpf_map_lookup_elem(&changes, &change);
	if (counter)
		add(counter, 1);
	return event_permitted() ? EVERYTHING : NOTHING;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
