// SPDX-License-Identifier: GPL-2.0-only
/*
 * BUS1_CMD_SLICE_RELEASE: release a slice of the pool
 */

#include <linux/uaccess.h>
#include "module.h"

int bus1_ioctl_slice_release(struct bus1_peer *peer, void __user *argp)
{
	struct bus1_cmd_slice_release cmd;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.flags != 0)
		return -EINVAL;
	return bus1_peer_release_slice(peer, cmd.offset);
}
