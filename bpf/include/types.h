/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Types whose name says unit and byte order; user space sees the names in the object's BTF. */
#ifndef TYPES_H
#define TYPES_H

#include "vmlinux.h"

typedef __u32 netns_ino; /* inode of a network namespace, as in /proc/<pid>/ns/net */
typedef __u64 duration_ns;

#endif
