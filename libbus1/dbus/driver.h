/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls to the bus itself: names, look-ups, subscriptions, credentials
 *
 * org.freedesktop.DBus is the same as over a socket. org.bus1.Bridge1 adds calls that pass
 * handles to the bus or get handles from it.
 */

#include "libbus1/dbus/node.h"

/* A match rule, and the node to which the bus sends the messages that match. */
struct bus1_dbus_subscription {
        struct bus1_dbus *bus;
        uint64_t node; /* BUS1_INVALID: none, for example because the bus has dropped the rule */
        char *rule;
        unsigned joined; /* bus->n_joins when the bus was last asked */
        bus1_dbus_message_fn fn;
        void *userdata;
        struct bus1_dbus_subscription *prev, *next;
};

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
