/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reception: from the queue of the peer into the queue of the membership. */

#include "libbus1/dbus/membership.h"

struct pending;

/* A received message that waits for dispatch. */
struct incoming {
        struct bus1_received *received;
        struct bus1_dbus_message *message; /* NULL, or made from received already */
        struct incoming *prev, *next;
};

/*
 * Receive what waits into the queue. The replies of blocking calls and the calls of
 * org.bus1.Session1 are handled at once. 0, -ENOMEM, or -ECONNRESET when the bus has gone.
 */
int receive_all(struct bus1_dbus *bus);
/* End a pending call with what arrived on its node. Does not take over received. */
void receive_reply(struct bus1_dbus *bus, struct pending *p, struct bus1_received *received);
/* Release the handles that came with a message that nobody gets. */
void release_transfers(struct bus1_dbus *bus, const struct bus1_received *received);
void incoming_free(struct bus1_dbus *bus, struct incoming *incoming);
