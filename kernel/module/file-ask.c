// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ask security modules whether the current task may receive a file
 *
 * The kernel has one function for that, security_file_receive(), and does not let modules call it.
 * Modules may only call receive_fd(), which asks first and then makes a descriptor. But a receive
 * has to ask before it takes the message, and must not make descriptors before that: other threads
 * could use them, and the receive could not take them back. Closing a number is wrong when another
 * thread has closed it in the meantime and opened a file of its own there. So receive_fd() is
 * called such that it always fails after it has asked.
 *
 * Before Linux 6.7, receive_fd() fails after it has asked only when the task's table of descriptors
 * is full, so the task gets a full table during the call. No other exported function does better:
 * security_binder_transfer_file() asks SELinux only, scm_detach_fds() does not return the answer,
 * and a kernel thread that calls receive_fd() would be asked about itself, with its name in the
 * audit log.
 */

#include <linux/errno.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/limits.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/security.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include "compat.h"
#include "module.h"

#ifndef MODULE

int bus1_file_ask(struct file *file)
{
	return security_file_receive(file);
}

#elif BUS1_RECEIVE_FD_WRITES

/*
 * receive_fd() asks, reserves a number, writes it, and then makes the descriptor. Nothing can be
 * written to an address behind the memory of users. So receive_fd() gives the number back, and
 * fails with -EFAULT.
 */
int bus1_file_ask(struct file *file)
{
	int r = receive_fd(file, (int __user *)TASK_SIZE_MAX, O_CLOEXEC);

	return r == -EFAULT ? 0 : r;
}

#else

/* A table of descriptors that is always full: the next number is beyond every limit. */
static struct files_struct bus1_no_files = {
	/* A task that is killed by an oops in receive_fd() drops one reference. */
	.count = ATOMIC_INIT(INT_MAX / 2),
	.resize_wait = __WAIT_QUEUE_HEAD_INITIALIZER(bus1_no_files.resize_wait),
	.fdt = (struct fdtable __rcu __force *)&bus1_no_files.fdtab,
	.fdtab = {
		.max_fds = NR_OPEN_DEFAULT,
		.fd = &bus1_no_files.fd_array[0],
		.close_on_exec = bus1_no_files.close_on_exec_init,
		.open_fds = bus1_no_files.open_fds_init,
		.full_fds_bits = bus1_no_files.full_fds_bits_init,
	},
	.file_lock = __SPIN_LOCK_UNLOCKED(bus1_no_files.file_lock),
	.next_fd = UINT_MAX,
};

static struct files_struct *bus1_files_exchange(struct files_struct *files)
{
	struct files_struct *old;

	/* Others look at the table of a task with this lock held. */
	task_lock(current);
	old = current->files;
	current->files = files;
	task_unlock(current);
	return old;
}

/*
 * receive_fd() asks, and makes the descriptor in the table of the current task. While it runs, the
 * task has a table without room. All tasks can have this table at the same time, because nothing is
 * ever added to it.
 */
int bus1_file_ask(struct file *file)
{
	struct files_struct *files = bus1_files_exchange(&bus1_no_files);
	int r = receive_fd(file, O_CLOEXEC);

	bus1_files_exchange(files);
	return r == -EMFILE ? 0 : r;
}

#endif
