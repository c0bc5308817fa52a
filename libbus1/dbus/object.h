/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Objects: tables of methods, properties and signals behind a path, a handle, or both
 *
 * An object may have several nodes: one that the program gives out handles to, one that only the
 * bus has a handle to (when the object is published), and one for each narrowed direct channel.
 */

#include "libbus1/dbus/membership.h"

struct bus1_dbus_object {
        struct bus1_dbus *bus;
        char *path; /* NULL: reached only by handle */
        const struct bus1_dbus_interface *interfaces;
        void *userdata;
        /* BUS1_INVALID before the first bus1_dbus_object_get_handle() */
        uint64_t node;
        uint64_t handle;
        uint64_t published; /* the node that only the bus has a handle to, or BUS1_INVALID */
        bus1_dbus_object_fn unreferenced;
        UT_hash_handle hh; /* in bus->objects_by_path */
        struct bus1_dbus_object *prev, *next;
};

/* The last handle of one of the object's nodes has gone, and the node with it. */
void object_unreferenced(struct bus1_dbus_object *object, uint64_t node);
