/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BUS1_IOCTL_2016_H
#define __BUS1_IOCTL_2016_H

/*
 * The ioctls of 2016
 *
 * They have a magic number of their own. The Kbuild option BUS1_2016, which is on by default,
 * compiles them together with their part of the core (core/v2016-*.c). A module without it answers
 * ENOTTY to each of them, like to any other number that is no command.
 */

#include "module.h"

#ifdef BUS1_2016

long bus1_ioctl_2016(struct bus1_file *bus1_file, unsigned int command, void __user *argp);
int bus1_ioctl_2016_enable(struct bus1_file *bus1_file);
int bus1_ioctl_2016_send(struct bus1_file *bus1_file, void __user *argp);
int bus1_ioctl_2016_recv(struct bus1_file *bus1_file, void __user *argp);

#else

static inline long bus1_ioctl_2016(struct bus1_file *bus1_file, unsigned int command,
				   void __user *argp)
{
	return -ENOTTY;
}

static inline int bus1_ioctl_2016_enable(struct bus1_file *bus1_file)
{
	return -ENOTTY;
}

#endif

#endif /* __BUS1_IOCTL_2016_H */
