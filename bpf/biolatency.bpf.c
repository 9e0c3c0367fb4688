// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long requests to block devices wait until the device gets them and how long it takes, by device and operation.
 *
 * Hooks: block:block_rq_insert, block_rq_issue, block_rq_merge and block_rq_complete, through which every request of
 * the block layer passes; without an I/O scheduler most are issued without being inserted. Kernel: 5.9, for the third.
 *
 * A request that the driver gives back, and that is tried again, begins anew. A request completes in the context of
 * whoever is interrupted, and pages are written by threads of the kernel: so nothing here is counted per process. Events
 * tell who made the request, which is one of these threads where pages are written back.
 */
#include "maps.h"
#include "task_events.h"
#include "times.h"
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>

#define DISK_NAME_LEN 32 /* linux/blkdev.h */

/* Before Linux 5.11, and later in some of its stable series, these tracepoints have the queue as first argument. */
const volatile __u32 queue_first = 0;

/* As enum req_op numbers them; the rest is rare. */
enum operation {
	OPERATION_READ,
	OPERATION_WRITE,
	OPERATION_FLUSH,
	OPERATION_DISCARD,
	OPERATION_OTHER,
};
DESCRIBED(enum operation);

#define REQ_OP_MASK 0xff /* linux/blk_types.h */

struct since {
	__u64 inserted; /* 0 where it did not wait */
	__u64 issued; /* 0 while it waits */
	struct event_task by; /* who made it, kept only for events */
};

struct block_key {
	__u8 disk[DISK_NAME_LEN];
	__u32 operation;
};

struct block_times {
	struct hist queue;
	struct hist device;
	struct slow both; /* from insert, or else issue, to completion */
};
DESCRIBED(struct slow);

/* By address, which a request keeps until it is done, and another one gets only then. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384); /* set before load */
	__type(key, __u64);
	__type(value, struct since);
} requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024); /* set before load */
	__type(key, struct block_key);
	__type(value, struct block_times);
} times SEC(".maps");

static const struct block_times no_times; /* too large for the stack */

static __always_inline __u64 request_of(__u64 *ctx)
{
	return queue_first ? ctx[1] : ctx[0];
}

static __always_inline struct gendisk *disk_of(const struct request *request)
{
	const struct request___with_disk *older = (const void *)request;

	if (bpf_core_field_exists(older->rq_disk))
		return BPF_CORE_READ(older, rq_disk);
	return BPF_CORE_READ(request, q, disk);
}

/* Whether it is for a disk at all, and not for example for a tape; `key` must be zero. */
static __always_inline int read_key(struct block_key *key, const struct request *request)
{
	struct gendisk *disk = disk_of(request);
	__u32 operation = BPF_CORE_READ(request, cmd_flags) & REQ_OP_MASK;

	key->operation = operation < OPERATION_OTHER ? operation : OPERATION_OTHER;
	if (!disk)
		return 0;
	bpf_probe_read_kernel_str(key->disk, sizeof(key->disk), __builtin_preserve_access_index(&disk->disk_name));
	return 1;
}

static __always_inline __u64 begun(const struct since *since)
{
	return since->inserted ? since->inserted : since->issued;
}

static __always_inline void record(struct block_times *times, const struct since *since, __u64 now)
{

	if (since->inserted)
		hist_add_time(&times->queue, since->issued - since->inserted);
	hist_add_time(&times->device, now - since->issued);
	if (now - begun(since) > slow_ns)
		add(&times->both.slow, 1);
	if (now - begun(since) > very_slow_ns)
		add(&times->both.very_slow, 1);
}

static __always_inline void tell(const struct block_key *key, const struct since *since, const struct request *request,
				 __u64 now)
{
	struct task_event event = {.kind = key->operation, .took = now - begun(since)};

	if (since->inserted)
		event.waited = since->issued - since->inserted;
	event.place = BPF_CORE_READ(request, __sector);
	event.amount = BPF_CORE_READ(request, __data_len);
	__builtin_memcpy(event.device, key->disk, sizeof(event.device));
	event_of_task(&event, &since->by);
	task_event_tell(&event);
}

SEC("tp_btf/block_rq_insert")
int rq_insert(__u64 *ctx)
{
	__u64 request = request_of(ctx);
	struct since since = {.inserted = bpf_ktime_get_ns()};

	if (events_per_second)
		note_task(&since.by);
	bpf_map_update_elem(&requests, &request, &since, BPF_ANY);
	return 0;
}

SEC("tp_btf/block_rq_issue")
int rq_issue(__u64 *ctx)
{
	__u64 request = request_of(ctx), now = bpf_ktime_get_ns();
	struct since since = {.issued = now};
	struct since *known = bpf_map_lookup_elem(&requests, &request);

	if (known && !known->issued) {
		known->issued = now;
		return 0;
	}
	if (events_per_second)
		note_task(&since.by);
	bpf_map_update_elem(&requests, &request, &since, BPF_ANY);
	return 0;
}

/* The request has become part of another one. */
SEC("tp_btf/block_rq_merge")
int rq_merge(__u64 *ctx)
{
	__u64 request = request_of(ctx);

	bpf_map_delete_elem(&requests, &request);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int rq_complete(__u64 *ctx)
{
	__u64 key = ctx[0];
	const struct request *request = (void *)key;
	__u32 done = ctx[2];
	struct block_key disk = {};
	struct block_times *kept;
	struct since *since;
	__u64 now;

	if (done < BPF_CORE_READ(request, __data_len)) /* the rest is still to come */
		return 0;
	since = bpf_map_lookup_elem(&requests, &key);
	if (!since) {
		if (done) /* a write that asks for a flush completes once more, or only, after the flush, with nothing */
			count_fault(FAULT_UNFINISHED);
		return 0;
	}
	if (since->issued && read_key(&disk, request)) { /* not issued: given up while it waited */
		now = bpf_ktime_get_ns();
		kept = lookup_or_init(&times, &disk, &no_times);
		if (kept)
			record(kept, since, now);
		if (now - begun(since) > slow_ns && event_wanted())
			tell(&disk, since, request, now);
	}
	bpf_map_delete_elem(&requests, &key);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
