/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_COMPAT_H
#define __BUS1_COMPAT_H

/*
 * Differences between kernels
 */

#include <linux/version.h>

/* receive_fd() writes the number to the user before it makes the descriptor. */
#define BUS1_RECEIVE_FD_WRITES (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0))

#endif /* __BUS1_COMPAT_H */
