/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the bus may do to a native client: deliver to it, tell it that a pending reply has ended,
 * and close it
 *
 * A session cannot be freed while a message of it is being handled. So it is only marked here, and
 * the event loop ends it (native_sessions_reap()) when nothing uses it any more.
 */

#include "bridge/native/native-private.h"

void native_session_close(struct native_session *session, const char *reason) {
        struct native *native = session->native;

        if (session->close_reason)
                return;
        session->close_reason = reason;
        DL_DELETE(native->sessions, session);
        DL_APPEND(native->ending, session);
        loop_defer(native->loop, &native->reap);
}

static void session_close(struct client *client, const char *reason) {
        native_session_close(session_from_client(client), reason);
}

/*
 * When a client calls itself, both cookies are its own. This function is called once for each of
 * them, and the first call is about the caller's.
 */
static void session_reply_closed(struct client *client, struct reply *reply) {
        struct native *native = session_from_client(client)->native;

        if (reply->caller == client && reply->caller_cookie) {
                native_release(native, reply->caller_cookie);
                reply->caller_cookie = 0;
        } else if (reply->callee == client && reply->callee_cookie) {
                native_node_remove(native, native_node_find(native, reply->callee_cookie), true);
                reply->callee_cookie = 0;
        }
}

const struct client_ops native_client_ops = {
        .deliver = native_deliver,
        .close = session_close,
        .reply_closed = session_reply_closed,
};
