// SPDX-License-Identifier: GPL-2.0-only
/*
 * BUS1_CMD_RELEASE: release nodes and handles
 */

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include "module.h"

int bus1_cmd_release(struct bus1_peer *peer, void __user *argp)
{
	struct bus1_cmd_release cmd;
	u64 *ids;
	int r;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.flags != 0)
		return -EINVAL;
	if (cmd.n_ids > BUS1_MAX_IDS)
		return -EMSGSIZE;

	ids = bus1_user_dup(cmd.ptr_ids, cmd.n_ids, sizeof(*ids));
	if (IS_ERR(ids))
		return PTR_ERR(ids);

	r = bus1_peer_release(peer, ids, cmd.n_ids);
	kvfree(ids);
	return r;
}
