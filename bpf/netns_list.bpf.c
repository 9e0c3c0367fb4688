// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which network namespaces there are, for whoever asks besides the programs that count or send.
 *
 * Hook: none; user space runs it. Kernel: 5.10, see netns_list.h.
 */
#include "netns_list.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
