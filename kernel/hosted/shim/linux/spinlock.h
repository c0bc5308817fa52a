/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _SHIM_LINUX_SPINLOCK_H
#define _SHIM_LINUX_SPINLOCK_H

#include <linux/mutex.h>

/*
 * A pthread mutex: in user space the holder may lose its CPU, and who waits must not burn the time
 * that the holder needs. The kernel has no destructor for spinlocks; a default pthread mutex
 * owns nothing that would need one.
 */
typedef struct {
	pthread_mutex_t pthread;
} spinlock_t;

static inline void spin_lock_init(spinlock_t *lock)
{
	pthread_mutex_init(&lock->pthread, NULL);
}

static inline void spin_lock(spinlock_t *lock)
{
	pthread_mutex_lock(&lock->pthread);
}

static inline void spin_unlock(spinlock_t *lock)
{
	pthread_mutex_unlock(&lock->pthread);
}

#endif
