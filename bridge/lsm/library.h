/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Libraries of security modules - loaded at run time, on kernels that have the module */

#include <stddef.h>

/* A function to look up, and where its address goes in a table of function pointers. */
struct lsm_symbol {
        const char *name;
        size_t at; /* offset in bytes */
};

/*
 * Load a library, which is never unloaded, and fill a table with its functions. Returns 0, or
 * -ENOENT with a static text in *ret_error.
 */
int lsm_library_load(const char *soname, const struct lsm_symbol *symbols, size_t n, void *table,
                     const char **ret_error);
