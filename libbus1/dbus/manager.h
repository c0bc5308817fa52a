/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * org.freedesktop.DBus.ObjectManager
 *
 * The manager of a path is the nearest one above it. It has GetManagedObjects, and emits
 * InterfacesAdded and InterfacesRemoved.
 *
 * New interfaces are announced late: the object joins bus->unannounced, and each function that
 * sends for the program first announces all such objects (bus_announce()). So an object is
 * announced as a whole, and before anything that the program says about it. If the program sends
 * nothing, dispatch and the waiting functions announce.
 */

#include "libbus1/dbus/target.h"

/* The path of the manager of a path, which need not have a branch; NULL: there is none. */
const char *manager_path(struct bus1_dbus *bus, const char *path);
/* The object has new interfaces. */
void manager_interfaces_added(struct bus1_dbus_object *object);
/*
 * The interface is going to be removed from the object; NULL: all are, and then the object is
 * freed.
 */
void manager_interfaces_removed(struct bus1_dbus_object *object, struct interface *interface);
/* GetManagedObjects: append the objects below a manager. */
int manager_append_objects(struct bus1_dbus *bus, const char *path, DBusMessageIter *to,
                           DBusError *error);
