/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who - the user and groups that a question is about */

#include <stddef.h>
#include <sys/types.h>

struct who {
        uid_t uid;
        gid_t *gids;
        size_t n_gids;
};

/*
 * Look up a user and groups by name or number. Without groups (n_groups 0), the result has all
 * groups of the user. Returns 0 or an exit status.
 */
int who_resolve(struct who *ret_who, const char *user, char *const *groups, size_t n_groups);
void who_clear(struct who *who);
