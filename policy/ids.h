/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values in a configuration - users, groups and numbers as administrators write them
 */

#include <stdint.h>
#include <sys/types.h>

/*
 * The ID of a user (group), written as name or number. Returns 1 when there is none. A negative
 * errno means that it could not be found out: not the same, as a rule for somebody who does exist
 * must not get lost. A name is looked for in /etc/passwd (/etc/group) first, so that those of the
 * system's own services are found while the name service waits for one of them; then the name
 * service is asked, so it may block. Threads may call these.
 */
int policy_resolve_user(const char *name, id_t *ret_uid);
int policy_resolve_group(const char *name, id_t *ret_gid);

/*
 * The number a text starts with, as strtol() with base 0 reads it. Returns 1 when something other
 * than blanks follows the number, which dbus-daemon takes no notice of; -EINVAL when there is no
 * number; -ERANGE.
 */
int policy_parse_integer(const char *text, int64_t *ret_value);
