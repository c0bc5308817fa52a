/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Subordinate users - the uids that subuid(5) gives to a user
 *
 * A user can have tens of thousands of subordinate uids, and let programs run under each of them in
 * user namespaces. So all subordinate uids of one owner count as one user: the one with the lowest
 * of these numbers. The owner itself is another one, so that the containers of root, for example,
 * do not use up what root may have.
 */

#include <stddef.h>
#include <stdint.h>

struct bus_subuid_range {
        uint32_t first, last;
        uint32_t user; /* that these uids count as */
};

/* All zero: there are none. */
struct bus_subuids {
        struct bus_subuid_range *ranges; /* in the order of their first uids */
        size_t n;
};

/*
 * Read a file like /etc/subuid. Lines with errors are left out, and without the file there are no
 * subordinate uids. Returns 0 or -ENOMEM. The caller clears the result.
 */
int bus_subuids_read(const char *path, struct bus_subuids *ret_subuids);
void bus_subuids_clear(struct bus_subuids *subuids);
/* The user that the uid counts as: the uid itself if it is no subordinate one. */
uint32_t bus_subuids_user(const struct bus_subuids *subuids, uint32_t uid);
