/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TCP segments that this node itself has dropped, for as long as they may be sent again: under their connection and
 * sequence number, and the latest of each connection under the connection alone. Address translation between the
 * socket and the place of the drop hides it.
 */
#ifndef SEGMENT_LOSSES_H
#define SEGMENT_LOSSES_H

#include "drop_reason.h"
#include "ip_packet.h"
#include "net_events.h"

#define TCP_SEQUENCE 4 /* where in the header it is */
#define SAME_SEGMENT_NS (130 * NSEC_PER_SEC) /* a segment waits for 120 s at most */
#define SAME_CONNECTION_NS (3 * NSEC_PER_SEC)

enum evidence {
	EVIDENCE_NONE, /* nothing of it was dropped here */
	EVIDENCE_CONNECTION, /* another segment of the connection was, just before */
	EVIDENCE_SEGMENT, /* this segment was */
};
DESCRIBED(enum evidence);

struct segment {
	struct tuple tuple;
	__u32 sequence; /* 0 of the connection as such */
	__u32 exact; /* whether the sequence number counts */
};

struct segment_loss {
	__u64 time;
	__u64 earlier; /* time of the one before */
	__u32 sequence;
	__u32 reason;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct segment);
	__type(value, struct segment_loss);
} segment_losses SEC(".maps");

static __always_inline void note_loss(const struct segment *key, const struct segment_loss *loss)
{
	struct segment_loss now = *loss, *before = bpf_map_lookup_elem(&segment_losses, key);

	if (before)
		now.earlier = before->time;
	bpf_map_update_elem(&segment_losses, key, &now, BPF_ANY); /* makes room for itself */
}

static __always_inline void note_dropped(const struct sk_buff *skb, __u32 reason)
{
	struct segment_loss loss = {.time = bpf_ktime_get_ns(), .reason = reason};
	struct ip_packet packet = {};
	struct segment key = {};

	if (!is_loss(reason) || !packet_of_skb(&packet, skb) || packet.tuple.protocol != IP_PROTOCOL_TCP)
		return;
	if (!packet.transport ||
	    !read_header(&packet, &loss.sequence, sizeof(loss.sequence), packet.transport + TCP_SEQUENCE))
		return;
	loss.sequence = bpf_ntohl(loss.sequence);
	key.tuple = packet.tuple;
	note_loss(&key, &loss);
	key.sequence = loss.sequence;
	key.exact = 1;
	note_loss(&key, &loss);
}

/*
 * When the latest drop was that can be the cause of what began at `started`, 0 if there is none. The segment may have
 * been dropped once more since it was sent again, as the kernel tells of that only afterwards; but then only once.
 */
static __always_inline __u64 loss_before(const struct segment_loss *loss, __u64 started, __u64 within)
{
	__u64 time = loss->time < started ? loss->time : loss->earlier;

	return time && time + within > started ? time : 0;
}

/* The next time must have a cause of its own. What was dropped once more stays as this. */
static __always_inline void forget_loss(struct segment *key, __u32 sequence, __u64 started)
{
	struct segment_loss *loss = bpf_map_lookup_elem(&segment_losses, key);

	if (loss && loss->time < started)
		bpf_map_delete_elem(&segment_losses, key);
	else if (loss)
		loss->earlier = 0;
	key->sequence = key->exact = 0;
	loss = bpf_map_lookup_elem(&segment_losses, key);
	if (loss && loss->time < started && loss->sequence == sequence)
		bpf_map_delete_elem(&segment_losses, key);
}

/* Adds to the event what is known: grade, reason, and how long ago. */
static __always_inline void find_loss(struct net_event *event, __u32 sequence, __u64 started)
{
	struct segment key = {.sequence = sequence, .exact = 1};
	struct segment_loss *loss;
	__u64 time;

	__builtin_memcpy(key.tuple.src, event->src, sizeof(event->src));
	__builtin_memcpy(key.tuple.dst, event->dst, sizeof(event->dst));
	key.tuple.sport = event->sport;
	key.tuple.dport = event->dport;
	key.tuple.protocol = event->protocol;
	loss = bpf_map_lookup_elem(&segment_losses, &key);
	time = loss ? loss_before(loss, started, SAME_SEGMENT_NS) : 0;
	event->detail = EVIDENCE_SEGMENT;
	if (!time) {
		key.sequence = key.exact = 0;
		loss = bpf_map_lookup_elem(&segment_losses, &key);
		time = loss ? loss_before(loss, started, SAME_CONNECTION_NS) : 0;
		event->detail = EVIDENCE_CONNECTION;
	}
	if (!time || !loss) {
		event->detail = EVIDENCE_NONE;
		return;
	}
	event->reason = loss->reason;
	event->span = time < started ? (started - time) / NSEC_PER_MSEC : 0;
	if (key.exact)
		forget_loss(&key, sequence, started);
}

#endif
