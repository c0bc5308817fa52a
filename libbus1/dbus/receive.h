/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Reception: from the queue of the peer into the queue of the membership
 *
 * Messages wait in the queue of the membership, in order, until dispatch handles them. A blocking
 * call only receives, so no handler runs within it. Some messages are handled already at reception:
 * replies to blocking calls, and everything that is for the library itself, which is about direct
 * channels.
 */

#include "libbus1/dbus/membership.h"

struct pending;

/* A received message that waits for dispatch. */
struct incoming {
        struct bus1_received *received;
        struct bus1_dbus_message *message; /* made from received; NULL: not made yet */
        struct incoming *prev, *next;
};

/*
 * Receive messages that wait, at most 64. Returns 0, -ENOMEM, or -ECONNRESET: the bus has gone, or
 * receiving fails.
 */
int receive_all(struct bus1_dbus *bus);
/*
 * On a peer that can wait (bus->can_wait), receive a message, and wait for it at most timeout
 * nanoseconds (UINT64_MAX: without a limit). Returns 0 if there was a message; -EAGAIN or
 * -ETIMEDOUT if there was none; -EINTR; -ENOMEM; or -ECONNRESET if the bus has gone or receiving
 * fails.
 */
int receive_next(struct bus1_dbus *bus, uint64_t timeout, struct bus1_received **ret_received);
/*
 * On a peer that can wait, wait for a message or a time-out, and receive the message. Returns like
 * bus1_dbus_wait(). The caller must call dispatch or wait_arm() before it polls the descriptor of
 * bus1_dbus_get_fd(): until then the descriptor may not be readable although messages wait.
 */
int receive_waiting(struct bus1_dbus *bus, int timeout_ms);
/*
 * Handle a received message now, or put it into the queue. Takes over received. Returns 0, -ENOMEM,
 * or -ECONNRESET when the bus has gone.
 */
int receive_one(struct bus1_dbus *bus, struct bus1_received *received);
/*
 * Receive what waits, unless the library has done so in the last 10 ms. A program may only send,
 * for a long time, and must not miss that a direct channel was closed.
 */
void receive_recent(struct bus1_dbus *bus);
/* End a pending call with what arrived on its reply node. Does not take over received. */
void receive_reply(struct bus1_dbus *bus, struct pending *p, struct bus1_received *received);
/*
 * Put a notification into the queue that the peer does not send, because it has gone. Returns 0 or
 * -ENOMEM.
 */
int incoming_add_notification(struct bus1_dbus *bus, uint64_t type, uint64_t id);
/* Free an element that is no longer in the queue. */
void incoming_free(struct incoming *incoming);
