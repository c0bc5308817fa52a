/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Trees - files of another machine, below a root directory
 *
 * An absolute link in a tree is about the machine of the tree. The kernel resolves it in the tree,
 * and no link leads out of it.
 */

#include <stdbool.h>

/*
 * Open a file of the tree. root is "" for the running machine. Returns a descriptor or a negative
 * errno: -ENOSYS if the kernel has no openat2(), which Linux has since 5.6.
 */
int tree_open(const char *root, const char *path, int flags);
/*
 * Does a link on the way to this file, as a program sees it that knows nothing of trees, lead out
 * of the tree? Also if the link is absolute and would lead to the same file.
 */
bool tree_is_left(const char *root, const char *path);
