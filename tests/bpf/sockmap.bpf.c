// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A map that TCP sockets can be put into. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u64);
} sockets SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";
