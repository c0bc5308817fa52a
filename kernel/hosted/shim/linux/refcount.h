/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/bug.h>
#include <linux/spinlock.h>
#include <linux/types.h>

typedef struct {
	unsigned int refs;
} refcount_t;

static inline void refcount_set(refcount_t *r, int n)
{
	__atomic_store_n(&r->refs, (unsigned int)n, __ATOMIC_RELAXED);
}

static inline unsigned int refcount_read(const refcount_t *r)
{
	return __atomic_load_n(&r->refs, __ATOMIC_RELAXED);
}

static inline void refcount_inc(refcount_t *r)
{
	WARN_ON(__atomic_fetch_add(&r->refs, 1, __ATOMIC_RELAXED) == 0);
}

static inline bool refcount_inc_not_zero(refcount_t *r)
{
	unsigned int old = refcount_read(r);

	while (old > 0) {
		if (__atomic_compare_exchange_n(&r->refs, &old, old + 1, true, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	}
	return false;
}

static inline bool refcount_dec_and_test(refcount_t *r)
{
	unsigned int old = __atomic_fetch_sub(&r->refs, 1, __ATOMIC_ACQ_REL);

	WARN_ON(old == 0);
	return old == 1;
}

/*
 * Drop a reference. If it was the last one, return true with the lock held: the lock is taken
 * before the last reference is dropped.
 */
static inline bool refcount_dec_and_lock(refcount_t *r, spinlock_t *lock)
{
	unsigned int old = refcount_read(r);

	while (old > 1) {
		if (__atomic_compare_exchange_n(&r->refs, &old, old - 1, true, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			return false;
	}

	spin_lock(lock);
	if (refcount_dec_and_test(r))
		return true;
	spin_unlock(lock);
	return false;
}
