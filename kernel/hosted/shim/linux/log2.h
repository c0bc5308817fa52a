/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_LOG2_H
#define _SHIM_LINUX_LOG2_H

/* The greatest power of two that is not above n, which is not 0. */
#define ilog2(n) (63 - __builtin_clzll(n))

#endif
