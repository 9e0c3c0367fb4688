/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Types whose name says unit and byte order; user space sees the names in the object's BTF. */
#ifndef TYPES_H
#define TYPES_H

#include "vmlinux.h"

typedef __u32 netns_ino; /* inode of a network namespace, as in /proc/<pid>/ns/net */

/*
 * Keeps a type in the object's BTF, where user space finds its layout: the compiler describes only types that a
 * variable or map has, and the kernel refuses a ring buffer that names a value type. Nobody follows the pointer.
 */
#define DESCRIBED__(type, number) const type *described_##number __attribute__((unused))
#define DESCRIBED_(type, number) DESCRIBED__(type, number)
#define DESCRIBED(type) DESCRIBED_(type, __COUNTER__)

#endif
