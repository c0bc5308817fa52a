/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_SCHED_H
#define _SHIM_LINUX_SCHED_H

#include_next <linux/sched.h>

/* The kernel preempts user space anyway. */
static inline void cond_resched(void)
{
}

#endif
