/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/overflow.h>
#include <linux/types.h>
#include <stdlib.h>

#define GFP_KERNEL 0u
#define GFP_KERNEL_ACCOUNT 0u

/*
 * For tests of what happens when memory runs out: the nth allocation of this thread from now fails,
 * and every one after it, until this function is called again. With 0 none fails.
 */
void shim_fail_allocation(unsigned int nth);
bool shim_allocation_fails(void);

static inline void *kmalloc(size_t size, gfp_t flags)
{
	return shim_allocation_fails() ? NULL : malloc(size);
}

static inline void *kzalloc(size_t size, gfp_t flags)
{
	return shim_allocation_fails() ? NULL : calloc(1, size);
}

static inline void kfree(const void *ptr)
{
	free((void *)ptr);
}

#define KMALLOC_MAX_SIZE ((size_t)4 << 20)

static inline void *kvmalloc(size_t size, gfp_t flags)
{
	return kmalloc(size, flags);
}

static inline void *kvmalloc_array(size_t n, size_t size, gfp_t flags)
{
	return kmalloc(size_mul(n, size), flags);
}

static inline void *kvcalloc(size_t n, size_t size, gfp_t flags)
{
	return kzalloc(size_mul(n, size), flags);
}

static inline void kvfree(const void *ptr)
{
	kfree(ptr);
}
