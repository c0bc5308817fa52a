/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/mutex.h>

/*
 * A spinlock is a pthread mutex, because in user space the holder of a lock may lose its CPU. A
 * waiter that spins would then use the time that the holder needs. The kernel has no destructor for
 * spinlocks, and a default pthread mutex owns nothing that needs one.
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

/*
 * For tests: a core built with SHIM_PERTURB gives up its CPU at random after it unlocks a spinlock,
 * and sometimes sleeps there for a while, so that interleavings which are rare on an idle machine
 * become common.
 */
#ifdef SHIM_PERTURB
void shim_perturb(void);
#else
static inline void shim_perturb(void)
{
}
#endif

static inline void spin_unlock(spinlock_t *lock)
{
	pthread_mutex_unlock(&lock->pthread);
	shim_perturb();
}
