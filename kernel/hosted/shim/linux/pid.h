/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/refcount.h>
#include <sys/types.h>

struct pid {
	refcount_t count;
	pid_t nr;
};

/* Make a struct pid with one reference. Returns NULL when memory runs out. */
struct pid *shim_pid_new(pid_t nr);

static inline struct pid *get_pid(struct pid *pid)
{
	if (pid)
		refcount_inc(&pid->count);
	return pid;
}

void put_pid(struct pid *pid);

static inline pid_t pid_nr(struct pid *pid)
{
	return pid ? pid->nr : 0;
}
