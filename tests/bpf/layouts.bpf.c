// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Structs that user space may bind, and structs that it must refuse. Never loaded. */
#include "types.h"
#include <bpf/bpf_helpers.h>

enum colour { RED, GREEN, BLUE };

struct mixed {
	__s64 big;
	enum colour kind;
	__s16 small;
	_Bool yes;
	__u8 pad[1];
};
DESCRIBED(struct mixed);

struct hole_inside {
	__u32 a;
	__u64 b;
};
DESCRIBED(struct hole_inside);

struct hole_at_end {
	__u32 a;
	__u8 b;
};
DESCRIBED(struct hole_at_end);

struct with_pointer {
	void *a;
};
DESCRIBED(struct with_pointer);

struct with_bits {
	__u32 a : 5;
	__u32 b : 27;
};
DESCRIBED(struct with_bits);
