/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_COMPAT_H
#define __BUS1_COMPAT_H

/*
 * Differences between kernels
 */

#include <linux/version.h>

/* receive_fd() writes the number to the user before it makes the descriptor. */
#define BUS1_RECEIVE_FD_WRITES (LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0))

/* whether a file can be mapped, from its struct file_operations */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#define bus1_compat_can_map(op) ((op)->mmap || (op)->mmap_prepare)
#else
#define bus1_compat_can_map(op) ((op)->mmap)
#endif

/* the device that the callback class.devnode gets */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define BUS1_DEVNODE_DEVICE struct device
#else
#define BUS1_DEVNODE_DEVICE const struct device
#endif

#endif /* __BUS1_COMPAT_H */
