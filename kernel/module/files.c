// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors in messages
 *
 * A message holds its files until it is received or dropped. It is dropped when the peer that it
 * is queued on is closed. So a file that keeps a peer open must not be in a message: file and peer
 * would keep each other for ever, after every process has closed them.
 *
 * A file keeps a peer open only if it takes references to files of any kind that its users pass to
 * it. Four kinds of files do that, and these are refused:
 *
 *	bus1 peers		-EINVAL: a peer could be in its own queue, or in that of a peer
 *				that is in the queue of the first one
 *	AF_UNIX sockets		-EOPNOTSUPP: a peer could be in the queue of the socket
 *	io_uring instances	-EOPNOTSUPP: a peer could be registered with the instance
 *	binder contexts		-EOPNOTSUPP: a peer could be in a transaction. Only contexts of
 *				binderfs are recognised, see bus1_file_is_binder().
 *
 * All other files hold no files, or only files of certain kinds, which the kernel checks, and of
 * which none can hold a peer. doc/internals/module.md goes through them. An epoll instance has no
 * references to the files that it watches.
 */

#include <linux/capability.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/net.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <net/cls_cgroup.h>
#include <net/netprio_cgroup.h>
#include <net/sock.h>
#include "compat.h"
#include "module.h"

static bool bus1_file_is_unix(struct file *file)
{
	struct socket *socket = sock_from_file(file);

	return socket && socket->ops && socket->ops->family == AF_UNIX;
}

/*
 * Whether a file has no inode of its own, and can be mapped and polled, but has no read, write or
 * ioctl. Programs use such a file through memory and through special system calls, which take the
 * numbers of any descriptors. Today only io_uring instances are like that. A future kind of file
 * that is like that is refused as well.
 */
static bool bus1_file_is_ring(struct file *file)
{
	const struct file_operations *op = file->f_op;

	return file_inode(file)->i_sb->s_magic == ANON_INODE_FS_MAGIC && bus1_compat_can_map(op) &&
	       op->poll && !op->read && !op->read_iter && !op->write && !op->write_iter &&
	       !op->unlocked_ioctl;
}

/*
 * Any user can mount this file system in a user namespace. By default, only root can open other
 * binder devices.
 */
static bool bus1_file_is_binder(struct file *file)
{
	return file_inode(file)->i_sb->s_magic == BINDERFS_SUPER_MAGIC;
}

static int bus1_file_check(struct file *file)
{
	if (bus1_file_from_file(file))
		return -EINVAL;
	if (bus1_file_is_unix(file) || bus1_file_is_ring(file) || bus1_file_is_binder(file))
		return -EOPNOTSUPP;
	return 0;
}

/**
 * bus1_files_charge() - charge the sender for the files of a message, before they are looked up
 * @payload:	payload of the message
 * @sender:	sender
 *
 * A file in flight takes no descriptor. So without a limit of files in flight, a user could keep
 * any number of files open by queueing them. The rule is that of AF_UNIX sockets: a user with more
 * files in flight than the process may have descriptors needs a capability to send more. The files
 * that all peers of the sender's user have sent count together.
 *
 * Return: 0; -ETOOMANYREFS.
 */
int bus1_files_charge(struct bus1_payload *payload, struct bus1_peer *sender)
{
	int r = bus1_payload_charge_files(payload, sender, rlimit(RLIMIT_NOFILE));

	if (r == -ETOOMANYREFS && (capable(CAP_SYS_RESOURCE) || capable(CAP_SYS_ADMIN)))
		r = bus1_payload_charge_files(payload, sender, U64_MAX);
	return r;
}

/**
 * bus1_files_collect() - look up the descriptors of a message
 * @files:	files of a payload, all of them NULL. The payload owns those that are set, also when
 *		this fails.
 * @ptr_fds:	array of the user
 * @n:		number of descriptors, at most BUS1_MAX_PAYLOAD_FILES
 *
 * Return: 0; -EINVAL or -EOPNOTSUPP for a file that is refused, see above; -EBADF, -EFAULT or
 * -ENOMEM.
 */
int bus1_files_collect(struct file **files, u64 ptr_fds, size_t n)
{
	int r = 0;
	size_t i;
	s32 *fds;

	fds = bus1_user_dup(ptr_fds, n, sizeof(*fds));
	if (IS_ERR(fds))
		return PTR_ERR(fds);

	for (i = 0; i < n && r == 0; i++) {
		files[i] = fds[i] < 0 ? NULL : fget(fds[i]);
		r = files[i] ? bus1_file_check(files[i]) : -EBADF;
	}

	kvfree(fds);
	return r;
}

/**
 * bus1_files_reserve() - reserve numbers for descriptors of files
 * @fds:	the numbers, set on success
 * @files:	files
 * @n:		number of files and of descriptors
 *
 * Everything that can fail is done here, before the message is taken: this also asks security
 * modules, like SCM_RIGHTS does. The numbers name nothing before bus1_files_install(). No other
 * thread can use, close or take them until then.
 *
 * Return: 0; -EMFILE, -ENOMEM or the error of a security module, and then no number is reserved.
 */
int bus1_files_reserve(s32 *fds, struct file *const *files, size_t n)
{
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		r = bus1_file_ask(files[i]);
		if (r < 0)
			return r;
	}
	for (i = 0; i < n; i++) {
		fds[i] = get_unused_fd_flags(O_CLOEXEC);
		if (fds[i] < 0) {
			r = fds[i];
			bus1_files_unreserve(fds, i);
			return r;
		}
	}
	return 0;
}

/* Undo bus1_files_reserve(). */
void bus1_files_unreserve(const s32 *fds, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		put_unused_fd(fds[i]);
}

/* As with SCM_RIGHTS, a socket belongs to the control groups of the task that received it last. */
static void bus1_file_adopt(struct file *file)
{
	struct socket *socket = sock_from_file(file);

	if (!socket)
		return;
	sock_update_netprioidx(&socket->sk->sk_cgrp_data);
	sock_update_classid(&socket->sk->sk_cgrp_data);
}

/* Make the descriptors. This cannot fail, so a receive does it after it has taken the message. */
void bus1_files_install(const s32 *fds, struct file *const *files, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		bus1_file_adopt(files[i]);
		fd_install(fds[i], get_file(files[i]));
	}
}
