// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of 2016: the choice of a command, and all commands except send and receive
 *
 * A command that cannot write its results to the user returns -EFAULT, but has been carried out.
 * Only the receive command checks, before it takes the message, that it can write them.
 */

#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include "../core/v2016.h"
#include "ioctl-2016.h"

static int bus1_ioctl_2016_disconnect(struct bus1_file *bus1_file, void __user *argp)
{
	return bus1_file_shut_down(bus1_file);
}

static int bus1_ioctl_2016_query(struct bus1_file *bus1_file, void __user *argp)
{
	struct bus1_2016_peer_reset query;
	int r;

	if (copy_from_user(&query, argp, sizeof(query)))
		return -EFAULT;
	r = bus1_v2016_query(bus1_file->peer, &query);
	if (r < 0)
		return r;
	return copy_to_user(argp, &query, sizeof(query)) ? -EFAULT : 0;
}

static int bus1_ioctl_2016_reset(struct bus1_file *bus1_file, void __user *argp)
{
	struct bus1_2016_peer_reset reset;

	if (copy_from_user(&reset, argp, sizeof(reset)))
		return -EFAULT;
	return bus1_v2016_reset(bus1_file->peer, &reset);
}

static int bus1_ioctl_2016_handle_release(struct bus1_file *bus1_file, void __user *argp)
{
	u64 id;

	if (copy_from_user(&id, argp, sizeof(id)))
		return -EFAULT;
	return bus1_v2016_handle_release(bus1_file->peer, id);
}

static int bus1_ioctl_2016_transfer_to_file(struct bus1_peer *from, struct file *file, u64 src,
					    u64 *ret_dst)
{
	struct bus1_file *to = bus1_file_from_file(file);
	int r;

	if (!to)
		return -EOPNOTSUPP;
	r = bus1_file_be_spoken_to(to, BUS1_GENERATION_2016);
	return r < 0 ? r : bus1_v2016_handle_transfer(from, to->peer, src, ret_dst);
}

static int bus1_ioctl_2016_handle_transfer(struct bus1_file *bus1_file, void __user *argp)
{
	struct bus1_2016_handle_transfer cmd;
	struct file *file;
	int r;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.flags != 0 || cmd.dst_handle != BUS1_2016_INVALID)
		return -EINVAL;

	if (cmd.dst_fd == (u64)-1) {
		r = bus1_v2016_handle_transfer(bus1_file->peer, bus1_file->peer, cmd.src_handle,
					       &cmd.dst_handle);
	} else {
		file = cmd.dst_fd > INT_MAX ? NULL : fget(cmd.dst_fd);
		if (!file)
			return -EBADF;
		r = bus1_ioctl_2016_transfer_to_file(bus1_file->peer, file, cmd.src_handle,
						     &cmd.dst_handle);
		fput(file);
	}
	if (r < 0)
		return r;
	return copy_to_user(argp, &cmd, sizeof(cmd)) ? -EFAULT : 0;
}

static int bus1_ioctl_2016_nodes_destroy(struct bus1_file *bus1_file, void __user *argp)
{
	struct bus1_2016_nodes_destroy cmd;
	size_t n;
	u64 *ids;
	int r;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	if (cmd.n_nodes > BUS1_MAX_IDS)
		return -EMSGSIZE;

	n = bus1_release_memory(cmd.n_nodes);
	r = bus1_peer_begin_command(bus1_file->peer, n);
	if (r < 0)
		return r;
	ids = bus1_user_dup(cmd.ptr_nodes, cmd.n_nodes, sizeof(*ids));
	if (IS_ERR(ids)) {
		r = PTR_ERR(ids);
	} else {
		r = bus1_v2016_nodes_destroy(bus1_file->peer, cmd.flags, ids, cmd.n_nodes);
		kvfree(ids);
	}
	bus1_peer_end_command(bus1_file->peer, n);
	return r;
}

static int bus1_ioctl_2016_slice_release(struct bus1_file *bus1_file, void __user *argp)
{
	u64 offset;

	if (copy_from_user(&offset, argp, sizeof(offset)))
		return -EFAULT;
	return bus1_v2016_slice_release(bus1_file->peer, offset);
}

/*
 * Make the peer of an open device speak the interface of 2016. The caller holds the device's lock.
 */
int bus1_ioctl_2016_enable(struct bus1_file *bus1_file)
{
	int r = bus1_pool_open(bus1_file);

	return r < 0 ? r : bus1_v2016_enable(bus1_file->peer, &bus1_pool_memory, bus1_file);
}

long bus1_ioctl_2016(struct bus1_file *bus1_file, unsigned int command, void __user *argp)
{
	int (*run)(struct bus1_file * bus1_file, void __user *argp);
	int r;

	switch (command) {
	case BUS1_2016_PEER_DISCONNECT:
		run = bus1_ioctl_2016_disconnect;
		break;
	case BUS1_2016_PEER_QUERY:
		run = bus1_ioctl_2016_query;
		break;
	case BUS1_2016_PEER_RESET:
		run = bus1_ioctl_2016_reset;
		break;
	case BUS1_2016_HANDLE_RELEASE:
		run = bus1_ioctl_2016_handle_release;
		break;
	case BUS1_2016_HANDLE_TRANSFER:
		run = bus1_ioctl_2016_handle_transfer;
		break;
	case BUS1_2016_NODES_DESTROY:
		run = bus1_ioctl_2016_nodes_destroy;
		break;
	case BUS1_2016_SLICE_RELEASE:
		run = bus1_ioctl_2016_slice_release;
		break;
	case BUS1_2016_SEND:
		run = bus1_ioctl_2016_send;
		break;
	case BUS1_2016_RECV:
		run = bus1_ioctl_2016_recv;
		break;
	default:
		return -ENOTTY;
	}

	r = bus1_file_speak(bus1_file, BUS1_GENERATION_2016);
	return r < 0 ? r : run(bus1_file, argp);
}
