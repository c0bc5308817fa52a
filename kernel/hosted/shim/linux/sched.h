/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include_next <linux/sched.h>

/* The kernel preempts user space anyway. */
static inline void cond_resched(void)
{
}
