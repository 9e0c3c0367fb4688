// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A program that does nothing: what it takes is the kernel's own, and what counting its runs adds. */
#include "types.h"
#include <bpf/bpf_helpers.h>

SEC("tc")
int nothing(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
