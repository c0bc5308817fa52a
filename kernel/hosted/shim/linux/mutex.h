/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/lockdep.h>
#include <pthread.h>

struct mutex {
	pthread_mutex_t pthread;
};

bool shim_lock_is_taken(pthread_mutex_t *lock);

static inline void mutex_init(struct mutex *lock)
{
	pthread_mutex_init(&lock->pthread, NULL);
}

static inline void mutex_destroy(struct mutex *lock)
{
	pthread_mutex_destroy(&lock->pthread);
}

static inline void mutex_lock(struct mutex *lock)
{
	pthread_mutex_lock(&lock->pthread);
}

/* In user space signals do not end the wait for a lock. */
static inline int mutex_lock_interruptible(struct mutex *lock)
{
	mutex_lock(lock);
	return 0;
}

static inline int mutex_trylock(struct mutex *lock)
{
	return pthread_mutex_trylock(&lock->pthread) == 0;
}

static inline int mutex_lock_killable(struct mutex *lock)
{
	mutex_lock(lock);
	return 0;
}

#define mutex_lock_killable_nested(lock, subclass) mutex_lock_killable(lock)
#define mutex_lock_nested(lock, subclass) mutex_lock(lock)

static inline void mutex_unlock(struct mutex *lock)
{
	pthread_mutex_unlock(&lock->pthread);
}
