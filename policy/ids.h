/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values in a configuration - users, groups and numbers as administrators write them
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The ID of a user (group), written as name or number. False when there is none. Asks the name
 * service for names, so it may block.
 */
bool policy_resolve_user(const char *name, id_t *ret_uid);
bool policy_resolve_group(const char *name, id_t *ret_gid);

/*
 * The number a text starts with, as strtol() with base 0 reads it. Returns 1 when something other
 * than blanks follows the number, which dbus-daemon takes no notice of; -EINVAL when there is no
 * number; -ERANGE.
 */
int policy_parse_integer(const char *text, int64_t *ret_value);
