/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reception: from the queue of the peer into the queue of the membership
 *
 * Messages wait in the queue of the membership, in order, until dispatch handles them. A blocking
 * call only receives, so no handler runs within it. Two kinds of message are handled already at
 * reception: replies to blocking calls, and calls of org.bus1.Session1.
 */

#include "libbus1/dbus/membership.h"

struct pending;

/* A received message that waits for dispatch. */
struct incoming {
        struct bus1_received *received;
        struct bus1_dbus_message *message; /* made from received; NULL: not made yet */
        struct incoming *prev, *next;
};

/* Receive messages that wait, at most 64. Returns 0, -ENOMEM, or -ECONNRESET: the bus has gone. */
int receive_all(struct bus1_dbus *bus);
/*
 * Wait for a message, at most so many nanoseconds (UINT64_MAX: without a limit), on a peer that can
 * wait. Returns -EAGAIN or -ETIMEDOUT when there is none, -EINTR, -ENOMEM, or -ECONNRESET when the
 * bus has gone.
 */
int receive_next(struct bus1_dbus *bus, uint64_t timeout, struct bus1_received **ret_received);
/*
 * Wait for a message or a time-out on a peer that can wait, and receive the message. Returns like
 * bus1_dbus_wait(). The descriptor of the bus does not show what was received.
 */
int receive_waiting(struct bus1_dbus *bus, int timeout_ms);
/*
 * Handle a received message now, or put it into the queue. Takes over received. Returns 0, -ENOMEM,
 * or -ECONNRESET when the bus has gone.
 */
int receive_one(struct bus1_dbus *bus, struct bus1_received *received);
/* End a pending call with the message that arrived on its node. Does not take over received. */
void receive_reply(struct bus1_dbus *bus, struct pending *p, struct bus1_received *received);
/* Free an element that is no longer in the queue. */
void incoming_free(struct incoming *incoming);
