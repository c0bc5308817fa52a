/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tables: the members of one interface, in the form in which the library uses them
 *
 * A table is made from a vtable (<bus1/dbus-vtable.h>), or from a row of the tables of
 * <bus1/dbus.h>. All interfaces of a bus that are made from the same one share the table, so an
 * object with many methods costs no more than one with few.
 */

#include <bus1/dbus-vtable.h>

#include "libbus1/dbus/membership.h"

enum member_kind {
        MEMBER_METHOD,
        MEMBER_SIGNAL,
        MEMBER_PROPERTY,
};

struct member {
        enum member_kind kind;
        bool writable;
        uint64_t flags;
        const char *name;
        const char *signature; /* of a method: NULL accepts any arguments */
        const char *result;
        const char *names;
        const char *doc;
        size_t offset;
        bus1_dbus_message_fn handler;
        bus1_dbus_get_fn get;
        bus1_dbus_set_fn set;
        const struct bus1_dbus_property *property; /* in a table of <bus1/dbus.h>; or NULL */
};

struct table {
        const void *source; /* the vtable or row */
        unsigned n_refs;
        bool is_vtable;
        uint64_t flags; /* of the interface */
        const char *doc;
        size_t n_members;
        const struct member **sorted; /* by name and kind */
        UT_hash_handle hh;            /* in bus->tables */
        struct member members[];      /* as in the source: methods, signals and properties */
};

/* Get the table of a vtable. Returns -EINVAL if it is not in order, or -ENOMEM. */
int table_from_vtable(struct bus1_dbus *bus, const struct bus1_dbus_vtable *vtable,
                      struct table **ret_table);
/* Get the table of a row, which is not checked. Returns -ENOMEM. */
int table_from_row(struct bus1_dbus *bus, const struct bus1_dbus_interface *row,
                   struct table **ret_table);
void table_unref(struct bus1_dbus *bus, struct table *table);
const struct member *table_find(const struct table *table, enum member_kind kind, const char *name);
/* Does the member, or its whole interface, show itself to nobody? */
static inline bool member_is_hidden(const struct table *table, const struct member *member) {
        return (table->flags | member->flags) & BUS1_DBUS_VTABLE_HIDDEN;
}
