/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Preloaded into a bus: each Nth allocation fails (FAIL_EVERY=N), but only between SIGUSR1 and
 * SIGWINCH. Then the bus writes "allocations failed: COUNT" to standard error when it ends.
 */

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

/* The build hides symbols by default; these must replace those of the C library. */
#define PUBLIC __attribute__((visibility("default")))

static atomic_ulong n_allocations, n_failed;
static volatile sig_atomic_t fails;
static unsigned long every;

static bool must_fail(void) {
        if (!fails || ++n_allocations % every != 0)
                return false;
        n_failed++;
        errno = ENOMEM;
        return true;
}

PUBLIC void *malloc(size_t n) {
        return must_fail() ? NULL : __libc_malloc(n);
}

PUBLIC void *calloc(size_t n, size_t size) {
        return must_fail() ? NULL : __libc_calloc(n, size);
}

PUBLIC void *realloc(void *p, size_t n) {
        return must_fail() ? NULL : __libc_realloc(p, n);
}

static void set_fails(int signo) {
        fails = signo == SIGUSR1;
}

__attribute__((constructor)) static void begin(void) {
        const char *text = getenv("FAIL_EVERY");

        every = text ? strtoul(text, NULL, 10) : 0;
        if (every == 0)
                return;
        signal(SIGUSR1, set_fails);
        signal(SIGWINCH, set_fails);
        unsetenv("LD_PRELOAD");
}

__attribute__((destructor)) static void end(void) {
        if (every > 0)
                dprintf(STDERR_FILENO, "allocations failed: %lu\n", n_failed);
}
