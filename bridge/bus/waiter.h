/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Waiters - messages and calls that wait for the start of a service
 *
 * A waiter is in the list of its start, and in that of its client, which is charged with the
 * message (held.h). The bus itself may have max_pending_service_starts waiters, too.
 */

#include "bridge/bus/launch.h"

enum waiter_kind {
        WAITER_MESSAGE, /* a message to the owner of the name */
        WAITER_START,   /* a call of StartServiceByName, which the bus answers */
        WAITER_CALL,    /* another call to the bus, which is dispatched again */
};

struct waiter {
        struct start *start;
        struct client *client; /* NULL: the bus itself */
        struct message *m;
        uint64_t caller_cookie;
        enum waiter_kind kind;
        struct waiter *prev, *next;
        struct waiter *client_prev, *client_next;
};

/*
 * Make a waiter, which takes a reference of m and, on success, caller_cookie and the charge of
 * held_charge(). client is NULL for a message of the bus itself, which is counted here. -ENOMEM.
 */
int waiter_new(struct start *start, struct client *client, struct message *m,
               uint64_t caller_cookie, enum waiter_kind kind);
/* End the waiter. Its cookie has been ended or used. */
void waiter_free(struct waiter *waiter);
