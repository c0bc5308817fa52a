// SPDX-License-Identifier: GPL-2.0-only
/*
 * BUS1_CMD_RELEASE: release nodes and handles
 *
 * Releasing up to 8 IDs allocates no memory, here or in the core, so it cannot fail with -ENOMEM.
 */

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include "module.h"

static int bus1_ioctl_release_many(struct bus1_peer *peer, u64 ptr_ids, size_t n_ids)
{
	size_t n = bus1_release_memory(n_ids);
	u64 *ids;
	int r;

	r = bus1_peer_begin_command(peer, n);
	if (r < 0)
		return r;
	ids = bus1_user_dup(ptr_ids, n_ids, sizeof(*ids));
	if (IS_ERR(ids)) {
		r = PTR_ERR(ids);
	} else {
		r = bus1_peer_release(peer, ids, n_ids);
		kvfree(ids);
	}
	bus1_peer_end_command(peer, n);
	return r;
}

int bus1_ioctl_release(struct bus1_peer *peer, void __user *argp)
{
	struct bus1_cmd_release cmd;
	u64 few[8];

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.flags != 0)
		return -EINVAL;
	if (cmd.n_ids > BUS1_MAX_IDS)
		return -EMSGSIZE;

	if (cmd.n_ids > ARRAY_SIZE(few))
		return bus1_ioctl_release_many(peer, cmd.ptr_ids, cmd.n_ids);
	if (copy_from_user(few, u64_to_user_ptr(cmd.ptr_ids), cmd.n_ids * sizeof(*few)))
		return -EFAULT;
	return bus1_peer_release(peer, few, cmd.n_ids);
}
