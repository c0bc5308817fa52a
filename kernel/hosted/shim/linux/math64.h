/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/types.h>

/* The kernel has no operator for this on 32 bits. */
static inline u64 div64_u64(u64 dividend, u64 divisor)
{
	return dividend / divisor;
}
