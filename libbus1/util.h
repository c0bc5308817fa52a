/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small helpers: cleanup attributes, export, minimum. */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define BUS1_EXPORT __attribute__((__visibility__("default")))

#define CLEANUP(function) __attribute__((__cleanup__(function)))
#define CLEANUP_FREE CLEANUP(freep)
#define CLEANUP_CLOSE CLEANUP(closep)

static inline void freep(void *p) {
        free(*(void **)p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

static inline void *steal_ptr(void *pp) {
        void *p = *(void **)pp;

        *(void **)pp = NULL;
        return p;
}

static inline int steal_fd(int *fd) {
        int r = *fd;

        *fd = -1;
        return r;
}

static inline size_t min_size(size_t a, size_t b) {
        return a < b ? a : b;
}

static inline void *ptr_from_u64(uint64_t p) {
        return (void *)(uintptr_t)p;
}

static inline uint64_t ptr_to_u64(const void *p) {
        return (uint64_t)(uintptr_t)p;
}
