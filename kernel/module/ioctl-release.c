// SPDX-License-Identifier: GPL-2.0-only
/*
 * BUS1_CMD_RELEASE: release nodes and handles
 *
 * Releasing a few IDs allocates no memory, here or in the core, so it cannot fail with -ENOMEM.
 */

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include "module.h"

int bus1_ioctl_release(struct bus1_peer *peer, void __user *argp)
{
	u64 few[8], *ids = few;
	struct bus1_cmd_release cmd;
	int r;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.flags != 0)
		return -EINVAL;
	if (cmd.n_ids > BUS1_MAX_IDS)
		return -EMSGSIZE;

	if (cmd.n_ids > ARRAY_SIZE(few)) {
		ids = bus1_user_dup(cmd.ptr_ids, cmd.n_ids, sizeof(*ids));
		if (IS_ERR(ids))
			return PTR_ERR(ids);
	} else if (copy_from_user(few, u64_to_user_ptr(cmd.ptr_ids), cmd.n_ids * sizeof(*few))) {
		return -EFAULT;
	}

	r = bus1_peer_release(peer, ids, cmd.n_ids);
	if (ids != few)
		kvfree(ids);
	return r;
}
