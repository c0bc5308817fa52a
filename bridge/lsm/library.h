/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Libraries of security modules - loaded only on a kernel that has the module */

#include <stddef.h>

/* A function of a library, and its place in a table of function pointers. */
struct lsm_symbol {
        const char *name;
        size_t at; /* offset in the table, in bytes */
};

/*
 * Load a library, which is never unloaded, and fill a table with its functions. Returns 0, or
 * -ENOENT with a text in *ret_error (valid until the next call, not to be freed).
 */
int lsm_library_load(const char *soname, const struct lsm_symbol *symbols, size_t n, void *table,
                     const char **ret_error);
#define LSM_LIBRARY_LOAD(soname, symbols, table, ret_error) \
        lsm_library_load(soname, symbols, sizeof(symbols) / sizeof(*(symbols)), table, ret_error)
