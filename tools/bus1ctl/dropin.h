/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Drop-ins - files *.conf that change a unit
 *
 * systemd reads them from directories of each name that a unit has, so those in dbus.service.d
 * change any bus. As for units, directories below /run and in home directories are left out.
 */

#include <stddef.h>

#include "tools/bus1ctl/unit.h"

struct dropin {
        const char *name; /* of the file, a part of path */
        char *path;       /* without the root */
        char *keys;       /* what it sets in [Service], as "A=, B="; empty: nothing */
};

/*
 * List the drop-ins of a unit with these names, in the order in which they count. The array of
 * names ends with NULL. Returns 0, or a negative errno if one cannot be read. The caller frees the
 * list with dropins_free().
 */
int dropins_list(const char *root, enum unit_scope scope, const char *const names[],
                 struct dropin **ret_dropins, size_t *ret_n);
void dropins_free(struct dropin *dropins, size_t n);
