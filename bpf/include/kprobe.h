/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arguments of the function that a kprobe interrupts: PT_REGS_PARM1(ctx) and so on. */
#ifndef KPROBE_H
#define KPROBE_H

#include <linux/ptrace.h> /* the registers as user space knows them, which bpf_tracing.h goes by */

#include <bpf/bpf_tracing.h>

#endif
