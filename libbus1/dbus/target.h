/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a call is for: the interfaces at a path, or of an object
 *
 * At a path there are the interfaces of the object that the program has put there, and then those
 * of fallbacks, from the longest prefix of the path to the shortest:
 *
 *        path /a/b/c    object at /a/b/c            its interfaces
 *                       fallbacks at /a/b/c         if find() finds something at /a/b/c
 *                       fallbacks at /a/b, /a, /    the same
 *
 * An object without a path has only its own interfaces.
 */

#include "libbus1/dbus/object.h"

/* An interface for all paths below a prefix. It is in the branch of the prefix. */
struct fallback {
        struct interface *interface;
        bus1_dbus_find_fn find; /* NULL: finds everything */
        struct fallback *prev, *next;
};

struct enumerator {
        const char *prefix;
        bus1_dbus_enumerate_fn fn;
        void *userdata;
        struct enumerator *prev, *next;
};

struct target {
        struct bus1_dbus *bus;
        struct bus1_dbus_object *object; /* NULL: the program has put none at the path */
        const char *path;
};

/* The path must live as long as the target. */
struct target target_at_path(struct bus1_dbus *bus, const char *path);
struct target target_of_object(struct bus1_dbus_object *object);

/* A walk through the interfaces of a target. Nothing may be removed from the bus meanwhile. */
struct walk {
        const struct target *target;
        const char *name; /* of the interfaces to find; NULL: of all */
        /* the last result: */
        const struct interface *interface;
        void *userdata;
        /* where it goes on: */
        bool began;
        struct interface *next;
        struct branch *branch;
        struct fallback *next_fallback;
};

void walk_begin(struct walk *walk, const struct target *target, const char *name);
/*
 * Go to the next interface, one that has the member, unless member is NULL. Returns 1, 0 at the
 * end, or what a find function returned, and sets error as it did.
 */
int walk_next(struct walk *walk, enum member_kind kind, const char *member, DBusError *error);

/*
 * Interfaces with the same name count as one. Is the one at which the walk is the first of them,
 * without hidden ones? Returns 1, 0, or like walk_next().
 */
int walk_is_first(const struct walk *walk, DBusError *error);

/* Is there an object, or does a fallback find one? Returns 1, 0, or like walk_next(). */
int target_exists(const struct target *target, DBusError *error);
/* Find a member. name NULL: in any interface. Returns 1, 0, or like walk_next(). */
int target_find_member(const struct target *target, const char *name, enum member_kind kind,
                       const char *member, struct walk *ret_walk, const struct member **ret_member,
                       DBusError *error);
/* The userdata for the functions of a member. */
void *member_userdata(const struct member *member, void *userdata);

/* Paths that are not unique, and in no order. */
struct paths {
        char **items;
        size_t n, n_allocated;
};

void paths_free(struct paths *paths);
/* Sort the paths, and remove those that are the same. */
void paths_sort(struct paths *paths);
/* Add a copy of the first n bytes. Returns 0 or -ENOMEM. */
int paths_add(struct paths *paths, const char *path, size_t n);
/*
 * Add the paths below path that enumerators return: those with a prefix at or above the path, and
 * (deeper) those below it. Returns 0 or a negative errno, and sets error as an enumerator did.
 */
int paths_enumerate(struct paths *paths, struct bus1_dbus *bus, const char *path, bool deeper,
                    DBusError *error);
