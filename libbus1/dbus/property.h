/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Properties: their values, from and to get and set functions and variables of the program */

#include "libbus1/dbus/target.h"

/* Which properties of an interface; hidden ones are never meant. */
enum property_choice {
        PROPERTIES_ALL,  /* for GetAll: all but those that are to be asked for explicitly */
        PROPERTIES_KEPT, /* for a signal: without those that EMITS_INVALIDATION, too */
        PROPERTIES_NONE,
};

/* Append the value as a variant. The member is of the interface at which the walk is. */
int property_append(const struct walk *walk, const struct member *member, DBusMessageIter *to,
                    DBusError *error);
/* Append the name and the value as a dict entry. */
int property_append_entry(const struct walk *walk, const struct member *member,
                          DBusMessageIter *array, DBusError *error);
/* Append an array of the properties of all interfaces with this name (NULL: of all). */
int properties_append(const struct target *target, const char *name, enum property_choice choice,
                      DBusMessageIter *to, DBusError *error);
/*
 * Set the property to the value, whose signature is right. *ret_changed: the library has stored
 * another value than before, so the change is not announced yet. The set function may have freed
 * everything.
 */
int property_set(const struct walk *walk, const struct member *member, DBusMessageIter *value,
                 bool *ret_changed, DBusError *error);
/* Close the container. If appending its content failed with r, abandon it and return r. */
int container_end(DBusMessageIter *iter, DBusMessageIter *container, int r);
