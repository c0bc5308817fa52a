/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small helpers: export, minimum, pointers as 64-bit fields. */

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define BUS1_EXPORT __attribute__((__visibility__("default")))

static inline size_t min_size(size_t a, size_t b) {
        return a < b ? a : b;
}

static inline void *ptr_from_u64(uint64_t p) {
        return (void *)(uintptr_t)p;
}

static inline uint64_t ptr_to_u64(const void *p) {
        return (uint64_t)(uintptr_t)p;
}
