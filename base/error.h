/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Errors - the text that a function gives its caller besides an errno value, and the last of
 * several */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Replace *error, an allocated text or NULL, by an error text. Returns r, for the caller to return.
 * When memory runs out, returns -ENOMEM, and *error is NULL.
 */
__attribute__((format(printf, 3, 4))) static inline int set_error(char **error, int r,
                                                                  const char *format, ...) {
        va_list args;

        free(*error);
        va_start(args, format);
        if (vasprintf(error, format, args) < 0) {
                *error = NULL;
                r = -ENOMEM;
        }
        va_end(args);
        return r;
}

/*
 * For work that goes on after a failure, so that it is done as far as possible: keep the last
 * error. r is the result of a step.
 */
static inline void keep_error(int *result, int r) {
        if (r < 0)
                *result = r;
}
