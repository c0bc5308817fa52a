/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <linux/slab.h>

/* Hosted peers have no pools, so only bus1_allocated() and tests need pages. */
#define PAGE_SIZE 4096
#define PAGE_ALIGN_DOWN(n) ((n) & ~(PAGE_SIZE - 1ULL))
#define PAGE_ALIGN(n) PAGE_ALIGN_DOWN((n) + PAGE_SIZE - 1)
