/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

/*
 * Shim: the kernel's basic types, for kernel/core in user space
 *
 * The headers in this directory stand in front of the system's <linux/...> headers. They give the
 * core the kernel interfaces that it uses, with the kernel's names, over libc, libbsd and pthreads.
 * Nothing in them knows bus1.
 */

#include_next <linux/types.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

typedef unsigned int gfp_t;

typedef struct {
	s64 counter;
} atomic64_t;

struct list_head {
	struct list_head *next, *prev;
};
