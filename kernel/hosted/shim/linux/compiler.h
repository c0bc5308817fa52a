/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include_next <linux/types.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define __maybe_unused __attribute__((unused))

/* In the kernel this tells sparse that a lock is taken. */
#define __acquire(lock) ((void)0)

/* Relaxed atomics stand for the volatile accesses of the kernel. */
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

/* For a function that reads what other threads write: ThreadSanitizer does not check it. */
#ifdef __SANITIZE_THREAD__
#define __no_kcsan __attribute__((no_sanitize_thread))
#else
#define __no_kcsan
#endif
