/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Other CPUs' copies of what the kernel keeps per CPU.
 *
 * A per-CPU pointer plus the CPU's offset is an address; the offset of a CPU is how far a value of a per-CPU map lies
 * from the pointer that the map itself keeps. No kernel symbol is needed for it. Needs Linux 5.19
 * (bpf_map_lookup_percpu_elem).
 */
#ifndef PERCPU_H
#define PERCPU_H

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define MAX_CPUS 1024

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} yardstick SEC(".maps");

static __u64 offsets[MAX_CPUS];
static __u64 address;

/* The verifier refuses arithmetic with a map or its values; what is read back from memory is a number to it. */
static __always_inline void *as_number(void *pointer)
{
	bpf_probe_read_kernel(&address, sizeof(address), &pointer);
	return (void *)address;
}

/*
 * How many CPUs may exist, their offsets noted; 0 where one has no place. Not static: the verifier looks at such a
 * function once rather than on each path that leads to it.
 */
__attribute__((noinline)) int learn_cpus(void)
{
	struct bpf_array *map = as_number(&yardstick);
	__u64 percpu = (__u64)BPF_CORE_READ(map, pptrs[0]);
	__u32 zero = 0, cpu;

	for (cpu = 0; cpu < MAX_CPUS; cpu++) {
		__u64 *value = bpf_map_lookup_percpu_elem(&yardstick, &zero, cpu);

		if (!value)
			return cpu;
		offsets[cpu] = (__u64)as_number(value) - percpu;
	}
	return 0;
}

/* A CPU's copy; null of null. */
static __always_inline void *of_cpu(const void *percpu, __u32 cpu)
{
	return percpu ? (void *)percpu + offsets[cpu & (MAX_CPUS - 1)] : 0;
}

#endif
