/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections: closing, events, sending, and input that has to wait. */

#include "bridge/socket/connection.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/receive.h"
#include "bridge/bus/tell.h"

#define STALL_DELAY (20 * INT64_C(1000000)) /* ns */

/* closing */

void connection_close(struct connection *connection, const char *reason) {
        if (connection->close_reason)
                return;
        connection->close_reason = reason ? reason : "";
        loop_defer(connection->server->loop, &connection->close);
}

void connection_violate(struct connection *connection, const char *rule) {
        if (connection->close_reason)
                return;
        if (connection->has_client)
                client_violation(&connection->client, rule);
        else
                complain(&connection->server->bus->complaints, connection->peer_uid,
                         "A connection (uid=%d pid=%d) is dropped, it broke the protocol: %s",
                         (int)connection->peer_uid, (int)connection->peer_pid, rule);
        connection_close(connection, rule);
}

int connection_starve(struct connection *connection) {
        complain(&connection->server->bus->complaints, connection->peer_uid,
                 "A connection (uid=%d pid=%d) is dropped: the bus has no memory for it",
                 (int)connection->peer_uid, (int)connection->peer_pid);
        connection_close(connection, "no memory");
        return 0;
}

/* The client does not read, and there is no room for a signal about its names. */
static void drop_slow(struct connection *connection) {
        struct client *client = &connection->client;

        complain(&client->bus->complaints, client->credentials.uid,
                 "Connection %s (uid=%d pid=%d) is dropped: it does not read what happens to its "
                 "names",
                 client_name(client), (int)client->credentials.uid, (int)client->credentials.pid);
        connection_close(connection, "closed by the bus");
}

static int client_deliver(struct client *client, struct message *m, struct reply *reply,
                          uint64_t cookie) {
        struct connection *connection = container_of(client, struct connection, client);
        int r;

        if (connection->output.is_broken || connection->close_reason)
                return CLIENT_E_GONE;

        r = quota_charge_outgoing(client, m);
        if (r != 0) {
                if (quota_kind_of(client, m) == QUOTA_NOTICE)
                        drop_slow(connection);
                return r;
        }
        r = output_push(&connection->output, m);
        if (r < 0) {
                quota_discharge_outgoing(client, m);
                /* The client would wait for ever for an answer of the bus. */
                if (quota_kind_of(client, m) != QUOTA_MESSAGE)
                        connection_starve(connection);
                return CLIENT_E_QUOTA;
        }
        loop_defer(connection->server->loop, &connection->flush);
        return 0;
}

/* connection_flush() also processes input that had to wait. */
static void client_resume(struct client *client) {
        struct connection *connection = container_of(client, struct connection, client);

        loop_defer(connection->server->loop, &connection->flush);
}

const struct client_ops connection_client_ops = {
        .deliver = client_deliver,
        .resume = client_resume,
};

/* Hello, and the native session of an anchor */

void connection_set_complete(struct connection *connection) {
        struct server *server = connection->server;

        if (connection->is_complete)
                return;
        connection->is_complete = true;
        loop_timer_cancel(server->loop, &connection->auth_timer);
        server_connection_completed(server);
}

void connection_end_session(struct connection *connection) {
        struct bus *bus = connection->server->bus;

        if (connection->session)
                bus->hooks.session_end(bus->hooks.native, connection->session);
        connection->session = NULL;
}

/* events */

static uint32_t wanted_events(const struct connection *connection) {
        uint32_t events = 0;

        /* the common case: waiting for messages, with nothing to write */
        if (connection->state == CONNECTION_MESSAGES && connection->output.n_queued == 0 &&
            !connection->input.rest && !connection->client.later)
                return EPOLLIN;
        if (connection->output.n_queued > 0 && !connection->flush.queued && !connection->is_stalled)
                events |= EPOLLOUT;
        if (connection->state == CONNECTION_DRAINING || connection_handshake_waits(connection))
                return events;
        if (!connection->has_client || connection->output.is_broken ||
            (!connection->input.rest && !connection_input_waits(connection)))
                events |= EPOLLIN;
        return events;
}

static bool has_input(const struct connection *connection) {
        char byte;

        return recv(connection->source.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
               errno != EAGAIN;
}

int connection_update_events(struct connection *connection) {
        uint32_t events;

        if (connection->close_reason)
                return 0;
        /*
         * A client that has shut down its reading side cannot be called any more, so it must not
         * keep its names. It leaves once the bus has read everything that it sent before.
         */
        if (connection->output.is_broken && !has_input(connection)) {
                connection_close(connection, NULL);
                return 0;
        }
        events = wanted_events(connection);
        if (events == connection->source.events)
                return 0;
        return connection_survive(
                connection, loop_set_events(connection->server->loop, &connection->source, events));
}

/* input that has to wait */

/*
 * One read can bring thousands of messages. If the client has to wait meanwhile, for example
 * because its backlog has grown too long, the bytes that follow are kept.
 */
int connection_keep_rest(struct connection *connection, const uint8_t *bytes, size_t n) {
        if (input_keep_rest(&connection->input, bytes, n) < 0)
                connection_close(connection, "no memory for what it sent");
        return 0;
}

int connection_take_rest(struct connection *connection) {
        CLEANUP_FREE uint8_t *rest = NULL;
        size_t n = connection->input.n_rest;

        if (!connection->input.rest || connection->close_reason ||
            connection_handshake_waits(connection) || connection_input_waits(connection))
                return 0;
        rest = steal_ptr(&connection->input.rest);
        connection->input.n_rest = 0;
        return connection->take(connection, rest, n);
}

/* output */

int connection_send_bytes(struct connection *connection, const char *bytes, size_t n, int fd) {
        int r;

        r = output_push_bytes(&connection->output, bytes, n, fd);
        if (r >= 0)
                loop_defer(connection->server->loop, &connection->flush);
        return r;
}

/* Drop the head of the queue: its descriptors cannot be sent, and it must not go without them. */
static int drop_head(struct connection *connection) {
        struct message *m = output_drop_head(&connection->output);
        int r = 0;

        complain(&connection->server->bus->complaints, connection->peer_uid,
                 "Dropped a message to %s (uid=%d): the user of the bus has too many file "
                 "descriptors "
                 "in flight",
                 connection->has_client ? client_name(&connection->client)
                                        : "a connection in its handshake",
                 (int)connection->peer_uid);
        if (connection->has_client && m->sender.s)
                r = tell_reply_lost(&connection->client, m,
                                    "The message was dropped, because the user of the bus has too "
                                    "many file descriptors in flight");
        message_unref(m);
        return r;
}

static int stall(struct connection *connection) {
        struct server *server = connection->server;

        connection->is_stalled = true;
        return server->stall.index
                       ? 0
                       : loop_timer_set(server->loop, &server->stall, loop_now() + STALL_DELAY);
}

int connection_flush(struct loop_deferred *deferred) {
        struct connection *connection = container_of(deferred, struct connection, flush);
        int r;

        connection->is_stalled = false;
        while ((r = output_write(&connection->output)) == OUTPUT_E_FDS) {
                r = drop_head(connection);
                if (r < 0)
                        return connection_survive(connection, r);
        }
        if (r == OUTPUT_E_STALLED) {
                r = stall(connection);
                if (r < 0)
                        return connection_survive(connection, r);
        }

        if (connection->state == CONNECTION_DRAINING && connection->output.n_queued == 0)
                connection_close(connection, NULL);
        if (connection->input.rest) {
                r = connection_take_rest(connection);
                if (r < 0)
                        return connection_survive(connection, r);
        }
        return connection_update_events(connection);
}
