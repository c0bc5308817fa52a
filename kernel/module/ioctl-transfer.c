// SPDX-License-Identifier: GPL-2.0-only
/*
 * BUS1_CMD_TRANSFER: create nodes, and copy handles to another peer
 *
 * If writing the results to the user fails with -EFAULT, the nodes and handles exist nevertheless.
 */

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "module.h"

static int bus1_ioctl_transfer_charged(struct bus1_peer *from, struct bus1_peer *to,
				       const struct bus1_cmd_transfer *cmd)
{
	struct bus1_transfer *src, *dst;
	bool created;
	int r;

	src = bus1_user_dup(cmd->ptr_src, cmd->n_transfers, sizeof(*src));
	if (IS_ERR(src))
		return PTR_ERR(src);
	dst = kvcalloc(cmd->n_transfers + 1, sizeof(*dst), GFP_KERNEL_ACCOUNT);
	if (!dst) {
		r = -ENOMEM;
		goto free_src;
	}

	created = bus1_transfers_create(src, cmd->n_transfers);
	r = bus1_peer_transfer(from, to, src, dst, cmd->n_transfers);
	if (r < 0)
		goto free_dst;

	r = bus1_user_put(cmd->ptr_dst, dst, cmd->n_transfers, sizeof(*dst));
	if (r == 0 && created)
		r = bus1_user_put(cmd->ptr_src, src, cmd->n_transfers, sizeof(*src));

free_dst:
	kvfree(dst);
free_src:
	kvfree(src);
	return r;
}

static int bus1_ioctl_transfer_run(struct bus1_peer *from, struct bus1_peer *to,
				   const struct bus1_cmd_transfer *cmd)
{
	size_t n = bus1_transfer_memory(cmd->n_transfers);
	int r;

	r = bus1_peer_begin_command(from, n);
	if (r < 0)
		return r;
	r = bus1_ioctl_transfer_charged(from, to, cmd);
	bus1_peer_end_command(from, n);
	return r;
}

static int bus1_ioctl_transfer_to_file(struct bus1_peer *peer, struct file *file,
				       const struct bus1_cmd_transfer *cmd)
{
	struct bus1_file *to = bus1_file_from_file(file);
	int r;

	if (!to)
		return -EINVAL;
	r = bus1_file_be_spoken_to(to, BUS1_GENERATION_2026);
	return r < 0 ? r : bus1_ioctl_transfer_run(peer, to->peer, cmd);
}

int bus1_ioctl_transfer(struct bus1_peer *peer, void __user *argp)
{
	struct bus1_cmd_transfer cmd;
	struct file *file;
	int r;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.flags != 0)
		return -EINVAL;
	if (cmd.n_transfers > BUS1_MAX_TRANSFERS)
		return -EMSGSIZE;
	if (cmd.to == (u64)-1)
		return bus1_ioctl_transfer_run(peer, peer, &cmd);

	file = cmd.to > INT_MAX ? NULL : fget(cmd.to);
	if (!file)
		return -EBADF;
	r = bus1_ioctl_transfer_to_file(peer, file, &cmd);
	fput(file);
	return r;
}
