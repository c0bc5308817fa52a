// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shim: files, numbers of processes, warnings, and hooks for tests
 */

#include <linux/bug.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static _Thread_local unsigned int allocations_left;

void shim_fail_allocation(unsigned int nth)
{
	allocations_left = nth;
}

bool shim_allocation_fails(void)
{
	if (allocations_left == 0)
		return false;
	if (allocations_left == 1)
		return true;
	--allocations_left;
	return false;
}

bool shim_warn(bool condition, const char *text, const char *file, int line)
{
	if (__builtin_expect(condition, false)) {
		fprintf(stderr, "%s:%d: this must not happen: %s\n", file, line, text);
		abort();
	}
	return condition;
}

bool shim_lock_is_taken(pthread_mutex_t *lock)
{
	if (pthread_mutex_trylock(lock))
		return true;
	pthread_mutex_unlock(lock);
	return false;
}

#ifdef SHIM_PERTURB
void shim_perturb(void)
{
	static _Thread_local u32 random;

	if (!random)
		random = (u32)(unsigned long)&random | 1;
	random ^= random << 13;
	random ^= random >> 17;
	random ^= random << 5;
	if (random % 16384 == 0)
		usleep(5000);
	else if (random % 8 == 0)
		sched_yield();
}
#endif

struct file *shim_file_new(int fd)
{
	struct file *file = kmalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return NULL;
	refcount_set(&file->count, 1);
	file->fd = fd;
	return file;
}

void fput(struct file *file)
{
	if (!refcount_dec_and_test(&file->count))
		return;
	close(file->fd);
	kfree(file);
}

struct pid *shim_pid_new(pid_t nr)
{
	struct pid *pid = kmalloc(sizeof(*pid), GFP_KERNEL);

	if (!pid)
		return NULL;
	refcount_set(&pid->count, 1);
	pid->nr = nr;
	return pid;
}

void put_pid(struct pid *pid)
{
	if (pid && refcount_dec_and_test(&pid->count))
		kfree(pid);
}
