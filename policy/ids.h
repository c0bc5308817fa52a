/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values in a configuration - parses users, groups, numbers and message types */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Find the ID of a user (group) by its name or number. A number need not belong to a user. Returns
 * 0; 1 if there is no such user; a negative errno if the name service failed. A failure must not be
 * treated like 1, because then the rules for an existing user would be lost.
 *
 * Names are first looked up in /etc/passwd (/etc/group). So a system user is found even while the
 * name service waits for a service that runs as this user. If a name is not there, the name service
 * is asked, so the functions may block. They are thread-safe.
 *
 * A name that changes its number in these files is noticed: see identity.h.
 */
int policy_resolve_user(const char *name, id_t *ret_uid);
int policy_resolve_group(const char *name, id_t *ret_gid);

#define POLICY_USERS_FILE "/etc/passwd"
#define POLICY_GROUPS_FILE "/etc/group"
/*
 * The parts of such a look-up. policy_parse_id() parses a plain decimal ID; UINT32_MAX is not
 * valid, because for the kernel it means "none". policy_parse_entry() does the same for the ID in a
 * line of such a file, which begins with NAME:PASSWORD:ID, if the name is this one.
 */
bool policy_parse_id(const char *text, id_t *ret_id);
bool policy_parse_entry(char *line, const char *name, size_t n, id_t *ret_id);
/*
 * Find the home directory of the effective user. *ret_home is NULL if the name service does not
 * know the user or fails. The caller frees it. Returns 0 or -ENOMEM.
 */
int policy_find_home(char **ret_home);

/*
 * Parse the number at the start of a text, like strtol() with base 0. Returns 0; 1 if something
 * other than blanks follows the number, which dbus-daemon ignores; -EINVAL if there is no number;
 * -ERANGE if the number does not fit.
 */
int policy_parse_integer(const char *text, int64_t *ret_value);

/* Parse the name of a message type: "method_call", "method_return", "error" or "signal". */
bool policy_parse_type(const char *text, uint8_t *ret_type);
