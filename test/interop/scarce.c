/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test/interop/scarce.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#ifdef MEMORY_CAN_FAIL

unsigned long fail_at;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static bool must_fail(void) {
        if (fail_at == 0 || --fail_at > 0)
                return false;
        errno = ENOMEM;
        return true;
}

/* The build hides symbols by default; these must replace those of the C library. */
#define PUBLIC __attribute__((visibility("default")))

PUBLIC void *malloc(size_t n) {
        return must_fail() ? NULL : __libc_malloc(n);
}

PUBLIC void *calloc(size_t n, size_t size) {
        return must_fail() ? NULL : __libc_calloc(n, size);
}

PUBLIC void *realloc(void *p, size_t n) {
        return must_fail() ? NULL : __libc_realloc(p, n);
}

#endif
