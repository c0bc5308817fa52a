// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers as open files
 *
 * Opening the device makes a peer, which is charged to the account of the effective user of the
 * opener. The peer ends at the latest when the open file is released. Any process that has a
 * descriptor can use the peer.
 *
 * The first command on a peer, or the first transfer of a handle to it, decides which generation of
 * the interface the peer speaks.
 */

#include <linux/compat.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/bus1-2016.h>
#include "compat.h"
#include "ioctl-2016.h"
#include "module.h"

/* Wake tasks that poll the peer or wait for a message. The caller holds the lock of the queue. */
static void bus1_file_wake(struct bus1_peer *peer, unsigned int n, void *data)
{
	struct bus1_file *bus1_file = data;

	/*
	 * A task that polls or waits first joins the wait queue, and then takes the lock to look at
	 * the queue of the peer. So either this function finds the task in the wait queue, or the
	 * task finds the new entry.
	 */
	if (!waitqueue_active(&bus1_file->waitq))
		return;
	if (n == 1)
		wake_up_interruptible_sync_poll(&bus1_file->waitq, EPOLLIN | EPOLLRDNORM);
	else
		__wake_up(&bus1_file->waitq, TASK_INTERRUPTIBLE, n,
			  poll_to_key(EPOLLIN | EPOLLRDNORM));
}

static int bus1_file_open(struct inode *inode, struct file *file)
{
	struct bus1_principal principal;
	struct bus1_file *bus1_file;

	bus1_file = kzalloc(sizeof(*bus1_file), GFP_KERNEL_ACCOUNT);
	if (!bus1_file)
		return -ENOMEM;

	mutex_init(&bus1_file->lock);
	init_waitqueue_head(&bus1_file->waitq);
	bus1_principal_fill(&principal, file->f_cred);
	bus1_file->peer =
		bus1_peer_new_for(bus1_module_accounts(), &principal, bus1_file_wake, bus1_file);
	if (IS_ERR(bus1_file->peer)) {
		int r = PTR_ERR(bus1_file->peer);

		kfree(bus1_file);
		return r;
	}

	/* The file keeps its credentials until after its release. */
	bus1_peer_set_opener(bus1_file->peer, file->f_cred);
	file->private_data = bus1_file;
	return stream_open(inode, file);
}

static int bus1_file_release(struct inode *inode, struct file *file)
{
	struct bus1_file *bus1_file = file->private_data;

	/* After this call, the core does not call bus1_file_wake() any more. */
	bus1_peer_disconnect(bus1_file->peer);
	bus1_peer_set_opener(bus1_file->peer, NULL);
	bus1_peer_unref(bus1_file->peer);
	if (bus1_file->pool)
		fput(bus1_file->pool);
	mutex_destroy(&bus1_file->lock);
	kfree(bus1_file);
	return 0;
}

/**
 * bus1_file_speak() - choose or check the generation of a peer, for a command on it
 * @bus1_file:	open device
 * @generation:	generation of the command
 *
 * Return: 0; -ENOTTY when the peer speaks another generation; -EINTR when the task is killed. The
 * choice of 2016 also fails with -ENOMEM, with -ENFILE, or with -ESHUTDOWN when the peer has been
 * disconnected.
 */
int bus1_file_speak(struct bus1_file *bus1_file, enum bus1_generation generation)
{
	int r = 0;

	if (likely(READ_ONCE(bus1_file->generation) == generation))
		return 0;

	if (mutex_lock_killable(&bus1_file->lock))
		return -EINTR;
	if (bus1_file->generation == BUS1_GENERATION_OPEN) {
		if (generation == BUS1_GENERATION_2016)
			r = bus1_ioctl_2016_enable(bus1_file);
		if (r == 0)
			WRITE_ONCE(bus1_file->generation, generation);
	} else if (bus1_file->generation != generation) {
		r = -ENOTTY;
	}
	mutex_unlock(&bus1_file->lock);
	return r;
}

/**
 * bus1_file_be_spoken_to() - choose the generation of a peer that gets a handle from another one
 * @bus1_file:	open device
 * @generation:	generation of the transfer, which the peer gets unless it has one already
 *
 * Return: like bus1_file_speak(), but not -ENOTTY.
 */
int bus1_file_be_spoken_to(struct bus1_file *bus1_file, enum bus1_generation generation)
{
	int r = bus1_file_speak(bus1_file, generation);

	return r == -ENOTTY ? 0 : r;
}

static __poll_t bus1_file_poll(struct file *file, poll_table *wait)
{
	struct bus1_file *bus1_file = file->private_data;
	__poll_t events = EPOLLOUT | EPOLLWRNORM;
	unsigned int flags;

	poll_wait(file, &bus1_file->waitq, wait);

	flags = bus1_peer_poll(bus1_file->peer);
	if (flags & BUS1_POLL_HANGUP)
		events = EPOLLHUP;
	if (flags & BUS1_POLL_READABLE)
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

/* Disconnect the peer while the device is open. */
int bus1_file_shut_down(struct bus1_file *bus1_file)
{
	int r = bus1_peer_disconnect(bus1_file->peer);

	/*
	 * Wake all tasks: also those that poll for other events than messages, and all those that
	 * wait for a message in a command. A message wakes only one of the latter.
	 */
	if (r == 0)
		wake_up_all(&bus1_file->waitq);
	return r;
}

/*
 * Run a command of 2026. With @nowait, a command that receives returns -EAGAIN instead of waiting
 * for a message or for the end of another receive on the peer.
 */
static long bus1_file_command(struct bus1_file *bus1_file, unsigned int command, void __user *argp,
			      bool nowait)
{
	int r;

	if (_IOC_TYPE(command) != BUS1_IOCTL_MAGIC)
		return -ENOTTY;
	r = bus1_file_speak(bus1_file, BUS1_GENERATION_2026);
	if (r < 0)
		return r;

	switch (command) {
	case BUS1_CMD_TRANSFER:
		return bus1_ioctl_transfer(bus1_file->peer, argp);
	case BUS1_CMD_RELEASE:
		r = bus1_ioctl_release(bus1_file->peer, argp);
		bus1_file_poke(bus1_file);
		return r;
	case BUS1_CMD_SEND:
		return bus1_ioctl_send(bus1_file->peer, argp);
	case BUS1_CMD_RECV:
		return bus1_ioctl_recv(bus1_file, argp, nowait);
	case BUS1_CMD_CALL:
		return bus1_ioctl_call(bus1_file, argp, nowait);
	case BUS1_CMD_SLICE_RELEASE:
		return bus1_ioctl_slice_release(bus1_file->peer, argp);
	case BUS1_CMD_DISCONNECT:
		return bus1_ioctl_disconnect(bus1_file, argp);
	case BUS1_CMD_RESET:
		r = bus1_ioctl_reset(bus1_file->peer, argp);
		bus1_file_poke(bus1_file);
		return r;
	case BUS1_CMD_QUERY:
		return bus1_ioctl_query(bus1_file->peer, argp);
	default:
		return -ENOTTY;
	}
}

static long bus1_file_ioctl(struct file *file, unsigned int command, unsigned long arg)
{
	struct bus1_file *bus1_file = file->private_data;
	void __user *argp = (void __user *)arg;
	long r;

	if (_IOC_TYPE(command) == BUS1_2016_IOCTL_MAGIC)
		r = bus1_ioctl_2016(bus1_file, command, argp);
	else
		r = bus1_file_command(bus1_file, command, argp, false);
	/* A signal has ended the command before it had any effect. */
	return r == -EINTR ? -ERESTARTSYS : r;
}

/*
 * IORING_OP_URING_CMD with the number of an ioctl of 2026 as cmd_op is this ioctl. The first 8 of
 * the 16 bytes for the command are the address of its structure. A command that has to wait is
 * first tried without waiting; then a worker of io_uring waits, unless the file has O_NONBLOCK.
 */
static int bus1_file_uring_cmd(struct io_uring_cmd *command, unsigned int issue_flags)
{
	/* The program shares this memory, and can change it at any time. */
	u64 ptr = READ_ONCE(*(const u64 *)bus1_compat_uring_data(command));
	bool tries = issue_flags & IO_URING_F_NONBLOCK;
	long r;

	/* A worker of io_uring could not read the vectors of a 32-bit program. */
	if (bus1_compat_uring_is_32bit(command, issue_flags))
		return -EOPNOTSUPP;
	/* A reset waits for a receiver, so a worker runs it. */
	if (tries && command->cmd_op == BUS1_CMD_RESET)
		return -EAGAIN;
	r = bus1_file_command(command->file->private_data, command->cmd_op, u64_to_user_ptr(ptr),
			      tries || command->file->f_flags & O_NONBLOCK);
	return r == -ERESTARTSYS || r == -ERESTARTNOHAND ? -EINTR : r;
}

/*
 * All structures have the same layout in 32-bit programs, because their pointers have 64 bits. Only
 * vectors differ, and import_iovec() converts these.
 */
const struct file_operations bus1_fops = {
	.owner = THIS_MODULE,
	.open = bus1_file_open,
	.release = bus1_file_release,
	.poll = bus1_file_poll,
	.unlocked_ioctl = bus1_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.uring_cmd = bus1_file_uring_cmd,
	.mmap = bus1_pool_mmap,
	.show_fdinfo = bus1_fdinfo_show,
	.llseek = noop_llseek,
};

struct bus1_file *bus1_file_from_file(struct file *file)
{
	return file->f_op == &bus1_fops ? file->private_data : NULL;
}
