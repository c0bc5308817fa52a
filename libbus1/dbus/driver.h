/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls to the bus itself: names, look-ups, credentials
 *
 * org.freedesktop.DBus is the same as over a socket. org.bus1.Bridge1 adds calls that pass
 * handles to the bus or get handles from it.
 */

#include "libbus1/dbus/node.h"

/*
 * Join the bus: call Hello with the handle of a new home node, and store the unique name that the
 * bus answers.
 */
int membership_hello(struct bus1_dbus *bus, DBusError *error);
/*
 * Make a node of the given kind, and pass its only handle to the bus with a call of
 * org.bus1.Bridge1, whose arguments are those of dbus_message_append_args(). The node ends when the
 * bus releases the handle. If the call fails, the node ends at once, and *ret_node becomes
 * BUS1_INVALID. ret_reply can be NULL.
 */
int call_bus_with_node(struct bus1_dbus *bus, const char *member, enum node_kind kind, void *data,
                       uint64_t *ret_node, struct bus1_dbus_message **ret_reply, DBusError *error,
                       int first_arg_type, ...);

/*
 * Export an object of this program: the path leads to a node of its own, so its handle remains the
 * right of those who have it. The caller frees *ret_name and *ret_path.
 */
int driver_export_object(struct bus1_dbus_object *object, char **ret_name, char **ret_path,
                         DBusError *error);

/* for calls of these methods that do not wait */

/* A call of the bus. Returns NULL when memory runs out. */
DBusMessage *driver_message_new(const char *interface, const char *member, int first_arg_type, ...);
/* The call that looks up a name, or, if path is not NULL, an object. Returns NULL likewise. */
DBusMessage *driver_lookup_new(const char *name, const char *path, uint32_t flags);
/* Take the handle out of the reply to a look-up of this name and path (NULL: none). */
int driver_take_handle(struct bus1_dbus_message *reply, const char *name, const char *path,
                       uint64_t *ret_handle, DBusError *error);
int driver_read_u32(struct bus1_dbus_message *reply, uint32_t *ret_result, DBusError *error);
/* Returns -EEXIST if the result is that another member owns the name, and this one does not wait.
 */
int driver_check_name(const char *name, uint32_t result, DBusError *error);
