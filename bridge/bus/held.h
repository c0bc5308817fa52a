/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Held messages - what a message is charged with while the bus holds it
 *
 * A message that waits for a service to start (waiter.h) or for a newer policy (docket.h) is in no
 * queue, so its sender pays for it in another way: it counts for max_pending_service_starts of the
 * sender's user, for the descriptors that this user may have, and in the backlog of the sender. So
 * no user takes the room of another.
 */

#include "bridge/bus/bus.h"

/* Why the bus holds no more for this client. */
enum {
        HELD_E_COUNT = 1, /* its user has max_pending_service_starts of them */
        HELD_E_FDS,       /* its user has too many descriptors in messages */
        HELD_E_BACKLOG,   /* the backlog of the client is too long */
};

/* Charge client with m until held_discharge(). Returns 0 or HELD_E_*; then nothing is charged. */
int held_charge(struct client *client, const struct message *m);
/* A bus that takes over from another one: charge without limits. */
void held_restore(struct client *client, const struct message *m);
void held_discharge(struct client *client, const struct message *m);
