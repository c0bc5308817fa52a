/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Calls that the library makes for itself
 *
 * The program does not see them. Their replies are handled at reception, also while a call of the
 * program blocks, so fn must not call functions of the program. fn gets NULL instead of an error
 * that the library makes: there is no answer in time, nobody will answer, or the bus has gone.
 */

#include "libbus1/dbus/membership.h"

struct pending;

/* A call that has no answer by then gets none: who hangs binds nothing for ever. */
#define QUIET_TIMEOUT (25000 * NS_PER_MS)

struct quiet_call {
        uint64_t to;
        DBusMessage *message;
        /*
         * The handles of these new nodes go in front of the others, and the structures get the IDs
         * of the nodes. The first one is the reply node: see QUIET_REPLY.
         */
        struct bus1_transfer *created;
        size_t n_created;
        const uint64_t *handles;
        size_t n_handles;
        bus1_dbus_message_fn fn;
        void *userdata;
};

#define QUIET_REPLY \
        { BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT, BUS1_INVALID }
#define QUIET_NODE \
        { BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID }

/*
 * Make the call. *ret_pending is set before fn can run, and fn must clear it. Returns 0 or a
 * negative errno: then fn is not called. After an error, the ID of the first node is BUS1_INVALID
 * if nothing was sent; otherwise the call was sent, and the caller has the other nodes.
 */
int quiet_call(struct bus1_dbus *bus, const struct quiet_call *call, struct pending **ret_pending);
