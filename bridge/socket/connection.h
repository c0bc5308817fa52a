/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connections - the socket front end of a client
 *
 * A connection shakes hands (connection-handshake.c), then takes messages from its socket
 * (connection-input.c) and puts messages into it (connection-output.c). What was agreed to be the
 * anchor of a native session carries no messages at all.
 *
 * Idle, a connection has no buffers: input goes through the server's, only an unfinished message
 * has memory of its own.
 */

#include "bridge/socket/listener.h"
#include "bridge/socket/server.h"
#include "bridge/wire/sasl.h"

enum connection_state {
        CONNECTION_HANDSHAKE,
        CONNECTION_MESSAGES,
        CONNECTION_ANCHOR,   /* of a native session */
        CONNECTION_DRAINING, /* the other side has said all; it still reads */
};

struct connection {
        struct server *server;
        struct connection *prev, *next;
        struct loop_source source;
        enum connection_state state;
        bool is_complete;         /* had its Hello; counts as incomplete before */
        const char *close_reason; /* static; set when it is to be closed at the end of the turn */
        struct loop_deferred close;

        struct client_credentials credentials; /* until they are the client's */
        uint32_t peer_uid, peer_pid;           /* always */
        const struct listener *listener;       /* that accepted it */
        struct sasl_server sasl;
        struct cookie_request cookie;
        uint8_t nonce[LISTENER_NONCE_SIZE]; /* what came of it */
        size_t n_nonce;
        struct loop_timer auth_timer;

        bool has_client;
        struct client client;

        struct native_anchor anchor;
        struct native_session *session;

        /* input */
        uint8_t header[MESSAGE_HEADER_SIZE]; /* of a message that is not framed yet */
        size_t n_header;
        struct message *partial; /* framed, incomplete */
        size_t n_partial;
        uint8_t *rest; /* came, but has to wait for a cookie, an answer, or someone to read */
        size_t n_rest;
        int *fds; /* came, but their message is not complete yet */
        size_t n_fds;
        struct loop_timer fd_timer;

        /* output */
        struct message **queue; /* ring */
        size_t queue_size, queue_head, queue_n;
        size_t n_written; /* of the head */
        bool output_broken;
        bool is_stalled; /* the kernel has no memory for what is to be written */
        struct loop_deferred flush;
};

/* Takes fd. -ENOMEM and others; nothing that is fatal to the bus. */
int connection_new(struct server *server, int fd, const struct listener *listener,
                   struct connection **ret_connection);
struct connection *connection_free(struct connection *connection);
/* After each message that was routed: is the client complete now? */
void connection_received(struct connection *connection);
/* Close at the end of the turn. */
void connection_close(struct connection *connection, const char *reason);

/* Close because the other side broke this rule, which is logged. Returns 1. */
int connection_violate(struct connection *connection, const char *rule);
/* Without BEGIN to come, there is no native session. */
void connection_end_session(struct connection *connection);

extern const struct client_ops connection_client_ops;

/* handshake */

void connection_handshake_init(struct connection *connection);
void connection_handshake_deinit(struct connection *connection);
/* Take n bytes from the server's buffer. 0 (also when closing), or a fatal errno. */
int connection_shake_hands(struct connection *connection, const uint8_t *bytes, size_t n);
/* Must input wait: for a cookie, or because nobody reads the answers? */
bool connection_handshake_waits(const struct connection *connection);

/* input */

/*
 * Must what it says wait, because it or others do not read enough, or for the answer to what it
 * said before? What is left in a dead socket is little, and nothing will follow.
 */
bool connection_input_waits(const struct connection *connection);
/* Close what was received and not used. */
void connection_drop_fds(struct connection *connection);
/*
 * Read once. *ret_n are the bytes now in the server's buffer (0 also when all went into the
 * unfinished message, or nothing was there), *ret_eof whether the other side has finished. Returns
 * 0, a positive number when the connection is to be closed (done already), or a fatal errno.
 */
int connection_read(struct connection *connection, size_t *ret_n, bool *ret_eof);
/* Take n bytes of the message stream from the server's buffer. 0 (also when closing), or a fatal
 * errno. */
int connection_take(struct connection *connection, const uint8_t *bytes, size_t n);
/* Let bytes wait. As connection_take(). */
int connection_keep_rest(struct connection *connection, const uint8_t *bytes, size_t n);
/* Go on with what had to wait, if that is over. As connection_take(). */
int connection_take_rest(struct connection *connection);
void connection_input_deinit(struct connection *connection);

/* output */

int connection_deliver(struct client *client, struct message *m, struct reply *reply,
                       uint64_t cookie);
/* Bytes of the handshake, with a descriptor (taken; -1 for none). -ENOMEM. */
int connection_send_bytes(struct connection *connection, const char *bytes, size_t n, int fd);
/* Write what the socket takes. 0 or a fatal errno. */
int connection_flush(struct loop_deferred *deferred);
/* All connections whose output is stalled: try again. */
void connection_output_retry(struct server *server);
/* The socket takes no more, ever. */
void connection_output_break(struct connection *connection);
void connection_output_deinit(struct connection *connection);
/* The events to wait for, after anything that could change them. */
int connection_update_events(struct connection *connection);
