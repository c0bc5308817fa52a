/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline size_t size_mul(size_t a, size_t b)
{
	size_t r;

	return __builtin_mul_overflow(a, b, &r) ? SIZE_MAX : r;
}

static inline size_t size_add(size_t a, size_t b)
{
	size_t r;

	return __builtin_add_overflow(a, b, &r) ? SIZE_MAX : r;
}

/* bytes of a structure with n elements in its flexible array; SIZE_MAX when that overflows */
#define struct_size(p, member, n) size_add(sizeof(*(p)), size_mul((n), sizeof((p)->member[0])))
