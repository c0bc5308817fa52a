/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/types.h>

/* The kernel needs a function: on 32-bit machines it cannot divide 64-bit numbers with "/". */
static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}
