/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The seam between the socket front end and the bus1 front end.
 *
 * A connection that asks NEGOTIATE_BUS1 during its handshake becomes the anchor of a native
 * session: the session's client speaks over bus1, the socket only shows that the program lives.
 * When one of the two ends, the other does. bus.native is NULL in a bus without bus1.
 */

#include "bridge/bus/client.h"
#include "bridge/wire/sasl.h"

struct native_session; /* defined by bridge/native */

/* The socket's side of a session. */
struct native_anchor {
        /* Close the socket: asynchronous, conn_closed() is not called for it any more. */
        void (*close)(struct native_anchor *anchor, const char *reason);
        /* The session's client has its name: auth_timeout is over, the connection is complete. */
        void (*completed)(struct native_anchor *anchor);
};

struct native_hooks {
        /*
         * The authenticated, authorised connection asks for a session. fd is the descriptor that
         * came with the line (the hook takes it over), or -1. On success *ret_handle is the session
         * handle in the client's peer, *ret_fd the descriptor to pass with the answer (owned by the
         * caller now) or -1, and *ret_session stays valid until conn_closed() or anchor->close().
         * On failure a negative errno, and *ret_why (a static text) goes into the refusal.
         */
        int (*negotiate)(void *userdata, struct native_anchor *anchor,
                         const struct client_credentials *credentials, enum sasl_bus1_mode mode,
                         int fd, struct native_session **ret_session, uint64_t *ret_handle,
                         int *ret_fd, const char **ret_why);
        /* The socket has gone: end the session. Called from the event loop. */
        void (*conn_closed)(void *userdata, struct native_session *session);
};
