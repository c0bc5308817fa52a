/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Messages that may have to be sent again
 *
 * A message that was sent through a direct channel is kept until it is known that the owner has
 * taken it (channel.h). What is kept is what was sent: the bytes, the descriptors, and copies of
 * the handles, so the program may use its own message, descriptors and handles as it likes.
 */

#include "libbus1/dbus/membership.h"
#include "libbus1/dbus/wire.h"

struct pending;

struct outgoing {
        uint64_t number; /* in the order of the messages through the channel */
        struct wire wire;
        bool wants_reply;
        struct pending *pending; /* the call; NULL: it has ended, or wants no reply */
        size_t n_handles;
        struct outgoing *prev, *next;
        uint64_t handles[];
};

/* Make an outgoing message with copies of the handles. -ENOMEM, or errors of the copying. */
int outgoing_new(struct bus1_dbus *bus, const uint64_t *handles, size_t n_handles,
                 struct outgoing **ret_outgoing);
/* Free it, without ending the call. NULL is fine. */
void outgoing_free(struct bus1_dbus *bus, struct outgoing *o);
