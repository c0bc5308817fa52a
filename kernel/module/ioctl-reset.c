// SPDX-License-Identifier: GPL-2.0-only
/*
 * BUS1_CMD_DISCONNECT and BUS1_CMD_RESET: release all that a peer has
 */

#include <linux/uaccess.h>
#include "module.h"

int bus1_ioctl_disconnect(struct bus1_file *bus1_file, void __user *argp)
{
	struct bus1_cmd_disconnect cmd;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.flags != 0)
		return -EINVAL;

	return bus1_file_shut_down(bus1_file);
}

int bus1_ioctl_reset(struct bus1_peer *peer, void __user *argp)
{
	struct bus1_cmd_reset cmd;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.flags != 0)
		return -EINVAL;

	return bus1_peer_reset(peer);
}
