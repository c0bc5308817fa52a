/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The tree of paths
 *
 * Each path with something at it (an object, a fallback or an enumerator) has a branch, and so have
 * all paths above it, up to "/". A hash table finds the branch of a path; the links between the
 * branches lead to what is above and below. A branch with nothing at it and nothing below it goes.
 */

#include "libbus1/dbus/membership.h"

struct branch {
        char *path;
        struct branch *parent;   /* NULL at "/" */
        struct branch *children; /* a list, in the order in which they were made */
        struct branch *prev, *next;
        struct bus1_dbus_object *object;
        struct fallback *fallbacks;
        struct enumerator *enumerators;
        bool is_manager; /* the object is an object manager */
        UT_hash_handle hh;
};

/* Get the branch of a valid path, and make it if there is none. Returns NULL when out of memory. */
struct branch *tree_grow(struct bus1_dbus *bus, const char *path);
/* Remove the branch if there is nothing at and below it, and then those above. NULL is fine. */
void tree_prune(struct bus1_dbus *bus, struct branch *branch);
struct branch *tree_find(struct bus1_dbus *bus, const char *path);
/* Find the branch of the path, or that of the nearest path above it that has one; or NULL. */
struct branch *tree_find_nearest(struct bus1_dbus *bus, const char *path);
struct bus1_dbus_object *tree_find_object(struct bus1_dbus *bus, const char *path);
/*
 * The next branch of a walk through all that is below top, each branch before those below it. Begin
 * with branch = top. deeper: also go on to what is below branch. Returns NULL at the end.
 */
struct branch *tree_next(const struct branch *top, struct branch *branch, bool deeper);
/*
 * Get the part of candidate that follows path and a slash. Returns NULL when candidate is not below
 * path.
 */
const char *path_below(const char *path, const char *candidate);
