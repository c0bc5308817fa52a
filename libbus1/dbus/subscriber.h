/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Subscribers: who gets the signals of an object directly
 *
 * Who holds the handle of an object can subscribe to its signals, also if the object has no path:
 *
 *        subscriber                                        owner
 *          |-- Subscribe(interface, member) + handle ------->|  a struct subscriber keeps the
 * handle
 *          |<-- signal --------------------------------------|
 *          |    the subscriber ends its node --------------->|  and the owner forgets it
 *          |<-- or the owner releases the handle ------------|
 *
 * The owner releases the handle when the object ends, and when it cannot send a signal. So the
 * subscriber knows that it has missed one. The owner queues nothing.
 */

#include "libbus1/dbus/membership.h"

#define OBJECT_INTERFACE "org.bus1.Object1"

struct subscriber {
        struct bus1_dbus *bus;
        struct subscriber **list;
        uint64_t handle;
        char *interface, *member; /* "": all */
        uint32_t uid, pid;        /* whose subscriptions are limited together */
        struct subscriber *prev, *next;
        struct subscriber *prev_of_bus, *next_of_bus;
};

/*
 * Add a subscriber to a list. Takes over the handle, but only on success. Returns 0, -ENOMEM, or
 * -EDQUOT if there are too many of this process, of this user, or in all.
 */
int subscriber_add(struct bus1_dbus *bus, struct subscriber **list, uint64_t handle,
                   const char *interface, const char *member,
                   const struct bus1_dbus_credentials *credentials);
void subscribers_free(struct subscriber **list);
/* Send a signal to those that want it. The subscription ends to which it cannot be sent. */
void subscribers_send(struct bus1_dbus *bus, struct subscriber **list, DBusMessage *signal);
