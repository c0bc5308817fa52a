/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cleanup attributes - a variable that frees what it holds when it goes out of scope
 *
 * A variable with such an attribute owns what it holds. It must be initialised where it is
 * declared, to NULL or -1 if it holds nothing yet. steal_ptr() and steal_fd() take the value out of
 * a variable, so that it is not freed, typically to return it to the caller.
 */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((__cleanup__(function)))
#define CLEANUP_FREE CLEANUP(freep)
#define CLEANUP_CLOSE CLEANUP(closep)
#define CLEANUP_FCLOSE CLEANUP(fclosep)

static inline void freep(void *p) {
        free(*(void **)p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

static inline void fclosep(FILE **f) {
        if (*f)
                fclose(*f);
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
