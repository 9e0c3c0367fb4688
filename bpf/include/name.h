/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of at most seven letters, which the kernel pads with zeros, compared as one number. */
#ifndef NAME_H
#define NAME_H

#include <linux/types.h>

union name {
	char text[8];
	__u64 number;
};

#define NAME(of) (((union name){.text = of}).number)

#endif
