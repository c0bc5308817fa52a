/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connections - the socket front end of a client
 *
 * A connection is in one of five stages (enum connection_state). Each of the first three stages has
 * its own take(), which processes the bytes that were read. Nothing is read in the others.
 *
 *      CONNECTION_HANDSHAKE  --BEGIN-->  CONNECTION_MESSAGES  --end of input--> CONNECTION_DRAINING
 *                            --BEGIN after NEGOTIATE_BUS1-->
 *                                        CONNECTION_ANCHOR    --end of input--> CONNECTION_LEAVING
 *
 * Events only set flags. Reading, writing and closing are jobs of the schedule (schedule.h), so a
 * connection stays valid for all functions on the stack. The epoll set reports each change once
 * (EPOLLET): is_readable keeps what was reported until a read has emptied the socket.
 */

#include <errno.h>

#include "bridge/bus/docket.h"
#include "bridge/bus/newcomer.h"
#include "bridge/bus/quota.h"
#include "bridge/socket/input.h"
#include "bridge/socket/listener.h"
#include "bridge/socket/output.h"
#include "bridge/wire/sasl.h"

/* The events that each connection waits for. The epoll set reports each change once. */
#define CONNECTION_EVENTS (EPOLLIN | EPOLLRDHUP | EPOLLET)

enum connection_state {
        CONNECTION_HANDSHAKE,
        CONNECTION_MESSAGES,
        CONNECTION_ANCHOR, /* of a native session; carries no messages */
        /* The socket has been read to its end. */
        CONNECTION_DRAINING, /* the client will send nothing more, but still reads */
        CONNECTION_LEAVING,  /* an anchor; what the program sent over bus1 is still received */
};

struct connection {
        struct server *server;
        struct connection *prev, *next;
        struct loop_source source;
        enum connection_state state;
        /*
         * Take bytes of the server's buffer or of input.rest, and update both. What it leaves has
         * to wait, and is kept. Returns 0, even if it closes the connection, or a negative errno
         * that is fatal.
         */
        int (*take)(struct connection *connection, const uint8_t **bytes, size_t *n);
        bool is_complete;         /* Hello has succeeded */
        const char *close_reason; /* static; set if the connection is about to close */
        struct schedule_job close;
        struct account *account; /* of the user at the other end, whose jobs these are */
        struct newcomer newcomer;

        struct client_credentials credentials; /* moved to the client at BEGIN */
        uint32_t peer_uid, peer_pid;           /* for the log; also valid after BEGIN */
        const struct listener *listener;       /* the listener that accepted it */
        struct sasl_server sasl;
        struct cookie_request cookie;
        struct docket_visit visit; /* the policy denies the next step, but a newer one may not */
        bool visit_is_bus1;        /* this step is NEGOTIATE_BUS1, not BEGIN */
        uint8_t nonce[LISTENER_NONCE_SIZE]; /* the first n_nonce bytes have been received */
        size_t n_nonce;
        struct loop_timer auth_timer;

        bool has_client;
        struct client client;

        struct native_anchor anchor;
        struct native_session *session;

        struct input input;
        bool is_readable; /* the socket may have bytes, or its end, to read */
        bool has_ended; /* the end of its input was reported; is_readable stays until it is read */
        struct schedule_job read;
        size_t n_held_fds;          /* the part of input_n_fds() that is charged to the user */
        struct loop_timer fd_timer; /* descriptors wait for their message */

        struct output output;
        bool is_stalled; /* the last write failed because the kernel was out of memory */
        struct schedule_job flush;
};

extern const struct client_ops connection_client_ops;

/* Close soon. reason is static; NULL: the client has left. */
void connection_close(struct connection *connection, const char *reason);
/* Close because the client broke this rule (static), which is logged. */
void connection_violate(struct connection *connection, const char *rule);
/* Hello has succeeded: the connection is complete, and auth_timeout no longer closes it. */
void connection_set_complete(struct connection *connection);
/* End the native session, if any: BEGIN makes a legacy client instead, or the socket has gone. */
void connection_end_session(struct connection *connection);

/*
 * Must input wait? It waits for a place (newcomer.h), for a cookie, for a newer policy (docket.h),
 * or until the client reads the handshake's answers.
 */
static inline bool connection_handshake_waits(const struct connection *connection) {
        return connection->state == CONNECTION_HANDSHAKE &&
               (connection->newcomer.is_parked || connection->cookie.queued ||
                connection->visit.bus ||
                (connection->output.n_queued > 0 && !connection->flush.user));
}
/*
 * Must messages wait? They wait while too many answers of the bus wait for this client, while its
 * backlog is too long, for a deferred answer, and while its docket is not empty. When the output is
 * broken, nothing waits: the bus reads what the client has sent, and then closes the connection.
 */
static inline bool connection_input_waits(struct connection *connection) {
        return connection->has_client && !connection->output.is_broken &&
               (connection->client.later || connection->client.docket ||
                quota_is_congested(&connection->client));
}
/* Has the bus read all that the program will ever send over the socket? */
static inline bool connection_is_read(const struct connection *connection) {
        return connection->state >= CONNECTION_DRAINING;
}
/* Schedule a read. It finds out itself whether input still has to wait. */
void connection_schedule_read(struct connection *connection);
/* There may be input, or input may not have to wait any more: schedule a read if so. */
static inline void connection_wake(struct connection *connection) {
        if (connection->is_readable || connection->input.rest)
                connection_schedule_read(connection);
}

/*
 * Send bytes of the handshake with a descriptor (-1: none), which is taken also on failure.
 * -ENOMEM.
 */
int connection_send_bytes(struct connection *connection, const char *bytes, size_t n, int fd);
/* Close the connection, because there is no memory for it. Returns 0. */
int connection_starve(struct connection *connection);
/* Look at the result of work for the connection: a lack of memory ends only the connection. */
static inline int connection_survive(struct connection *connection, int r) {
        return __builtin_expect(r == -ENOMEM, false) ? connection_starve(connection) : r;
}
/*
 * connection.flush: write what the socket takes, and wait for room if it does not take all. Returns
 * 0 or a negative errno that is fatal.
 */
int connection_flush(struct schedule_job *job);
