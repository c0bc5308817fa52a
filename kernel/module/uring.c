// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands by io_uring
 *
 * IORING_OP_URING_CMD with the number of an ioctl of 2026 as cmd_op is this ioctl. The first 8 of
 * the 16 bytes for the command are the address of its structure. A command that has to wait is
 * first tried without waiting; then a worker of io_uring waits.
 */

#include <linux/compat.h>
#include <linux/err.h>
#include "compat.h"
#include "module.h"

int bus1_file_uring_cmd(struct io_uring_cmd *command, unsigned int issue_flags)
{
	bool nowait = issue_flags & IO_URING_F_NONBLOCK;
	/* The program shares this memory, and can change it at any time. */
	u64 ptr = READ_ONCE(*(const u64 *)bus1_compat_uring_data(command));
	long r;

	/* A worker could not tell how the vectors of the program are laid out. */
	if (in_compat_syscall())
		return -EOPNOTSUPP;
	r = bus1_file_command(command->file->private_data, command->cmd_op, u64_to_user_ptr(ptr),
			      nowait);
	return r == -ERESTARTSYS ? -EINTR : r;
}
