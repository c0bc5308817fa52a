/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Owners - whose files the bus may rely on
 *
 * A path that comes from the environment may belong to somebody else: who becomes root with su or
 * sudo may keep the XDG_RUNTIME_DIR and the HOME of a user. What this user put there must not run
 * as root, and the bus must not leave files there that the user cannot remove. A bus of another
 * user could not do any of this, so for it all files are its own.
 */

#include <stdbool.h>
#include <sys/types.h>

/*
 * May this process rely on files of this owner? root only on its own; and in a user namespace, on
 * those of users without a number in it, since the root outside may be one of them.
 */
bool owner_is_ours(uid_t uid);
/*
 * The same for the owner of what is at the path; *ret_uid is the owner. Returns 0, 1 if it is
 * somebody else's, or a negative errno.
 */
int owner_check(const char *path, uid_t *ret_uid);
/*
 * Make a directory that only this user can use, unless there is one. Returns 0, or a negative
 * errno: -EPERM if the directory above belongs to somebody else.
 */
int owner_make_directory(const char *path);
