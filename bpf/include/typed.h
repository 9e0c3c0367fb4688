/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading the kernel's structures in programs that run both where the kernel knows the type of a pointer (tp_btf,
 * fentry), and reads cost nothing, and where it does not (raw tracepoints of kernels without BTF, kprobes), and each
 * read is a call. The verifier looks only at the way that is taken.
 */
#ifndef TYPED_H
#define TYPED_H

#include "types.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 typed = 1; /* set before load, see exporter/bpf/hooks.py */

/* READ(sk, sk_dst_cache, dev, ifindex) is sk->sk_dst_cache->dev->ifindex. */
#define READ(pointer, ...) (typed ? ___arrow((pointer), ##__VA_ARGS__) : BPF_CORE_READ((pointer), ##__VA_ARGS__))

#endif
