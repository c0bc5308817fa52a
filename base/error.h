/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Error texts - what a function tells its caller besides an errno value */

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
