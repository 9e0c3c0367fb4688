/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why the kernel dropped a packet, as the arguments of tracepoint skb:kfree_skb say. */
#ifndef DROP_REASON_H
#define DROP_REASON_H

#include "types.h"
#include <bpf/bpf_core_read.h>

/* Bits of the first 128 reasons: with these nothing was lost, so it makes no event. */
const volatile __u64 harmless_low = 0;
const volatile __u64 harmless_high = 0;

/*
 * Without a reason, where it happened: the lower half of an address, as all code is within 4 GiB. That is read in any
 * case: the verifier refuses one load from one or the other place.
 */
static __always_inline __u32 reason_of(const volatile __u64 *ctx)
{
	__u32 reason = ctx[1];

	if (bpf_core_enum_value_exists(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED))
		reason = ctx[2];
	return reason;
}

static __always_inline int is_loss(__u32 reason)
{
	if (reason < 64)
		return !(harmless_low >> reason & 1);
	return reason >= 128 || !(harmless_high >> (reason - 64) & 1);
}

#endif
