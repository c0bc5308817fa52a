/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections: from accept through the handshake to the end. */

#include "bridge/socket/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container-of.h"
#include "bridge/bus/credentials.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/receive.h"

/* closing */

void connection_close(struct connection *connection, const char *reason) {
        if (connection->close_reason)
                return;
        connection->close_reason = reason ? reason : "";
        loop_defer(connection->server->loop, &connection->close);
}

static int close_deferred(struct loop_deferred *deferred) {
        struct connection *connection = container_of(deferred, struct connection, close);

        /* What the client is still to be told, an error before the end of it say, goes out if it
         * can. */
        if (!connection->output_broken && connection->queue_n > 0)
                connection_flush(&connection->flush);
        connection_free(connection);
        return 0;
}

static void client_close(struct client *client, const char *reason) {
        struct connection *connection = container_of(client, struct connection, client);

        complain(&client->bus->complaints, client->credentials.uid,
                 "Connection %s (uid=%d pid=%d) is dropped: %s", client_name(client),
                 (int)client->credentials.uid, (int)client->credentials.pid, reason);
        connection_close(connection, "closed by the bus");
}

/* The end of the turn also looks for input that had to wait. */
static void client_resume(struct client *client) {
        struct connection *connection = container_of(client, struct connection, client);

        loop_defer(connection->server->loop, &connection->flush);
}

const struct client_ops connection_client_ops = {
        .deliver = connection_deliver,
        .close = client_close,
        .resume = client_resume,
};

/* the native session of an anchor */

static void anchor_close(struct native_anchor *anchor, const char *reason) {
        struct connection *connection = container_of(anchor, struct connection, anchor);

        connection->session = NULL;
        connection_close(connection, reason);
}

static void set_complete(struct connection *connection) {
        struct server *server = connection->server;

        if (connection->is_complete)
                return;
        connection->is_complete = true;
        loop_timer_cancel(server->loop, &connection->auth_timer);
        server_connection_completed(server);
}

static void anchor_completed(struct native_anchor *anchor) {
        set_complete(container_of(anchor, struct connection, anchor));
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

        /* what almost all are almost always: in the middle of things, with nothing to write */
        if (connection->state == CONNECTION_MESSAGES && connection->queue_n == 0 &&
            !connection->rest && !connection->client.later)
                return EPOLLIN;
        if (connection->queue_n > 0 && !connection->flush.queued && !connection->is_stalled)
                events |= EPOLLOUT;
        if (connection->state == CONNECTION_DRAINING || connection_handshake_waits(connection))
                return events;
        if (!connection->has_client || connection->output_broken ||
            (!connection->rest && !connection_input_waits(connection)))
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
        /* Who shut down its reading side may have said something before, but is of no use to those
         * who call it: it must not keep its names. */
        if (connection->output_broken && !has_input(connection)) {
                connection_close(connection, NULL);
                return 0;
        }
        events = wanted_events(connection);
        if (events == connection->source.events)
                return 0;
        return loop_set_events(connection->server->loop, &connection->source, events);
}

static int end_of_input(struct connection *connection) {
        /* Everything it said was heard; it may still be reading the answers. */
        if (connection->output_broken || connection->queue_n == 0 ||
            connection->state != CONNECTION_MESSAGES)
                connection_close(connection, NULL);
        else
                connection->state = CONNECTION_DRAINING;
        return 0;
}

static int handle_input(struct connection *connection) {
        size_t n;
        bool eof;
        int r;

        r = connection_take_rest(connection);
        if (r < 0 || connection->rest || connection->close_reason)
                return r;
        r = connection_read(connection, &n, &eof);
        if (r != 0)
                return r < 0 ? r : 0;
        if (eof)
                return end_of_input(connection);

        switch (connection->state) {
        case CONNECTION_HANDSHAKE:
                return connection_shake_hands(connection, connection->server->buffer, n);
        case CONNECTION_MESSAGES:
                return connection_take(connection, connection->server->buffer, n);
        case CONNECTION_ANCHOR:
                if (n > 0 || connection->n_fds > 0)
                        connection_violate(connection, "bytes on the socket of a native session");
                return 0;
        case CONNECTION_DRAINING:
                return 0;
        }
        return 0;
}

static int dispatch(struct loop_source *source, uint32_t events) {
        struct connection *connection = container_of(source, struct connection, source);
        int r;

        if (connection->close_reason)
                return 0;
        if (events & (EPOLLHUP | EPOLLERR)) {
                connection_output_break(connection);
                if (connection->state == CONNECTION_DRAINING ||
                    connection_handshake_waits(connection)) {
                        connection_close(connection, NULL);
                        return 0;
                }
        }
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                r = handle_input(connection);
                if (r < 0)
                        return r;
        }
        if (events & EPOLLOUT)
                loop_defer(connection->server->loop, &connection->flush);
        return connection_update_events(connection);
}

/* time */

static int auth_expired(struct loop_timer *timer) {
        struct connection *connection = container_of(timer, struct connection, auth_timer);

        complain(&connection->server->bus->complaints, connection->peer_uid,
                 "A connection (uid=%d pid=%d) is dropped, it was not complete after %lldms",
                 (int)connection->peer_uid, (int)connection->peer_pid,
                 (long long)connection->server->bus->limits.auth_timeout);
        connection_close(connection, "auth_timeout");
        return 0;
}

static int fds_expired(struct loop_timer *timer) {
        struct connection *connection = container_of(timer, struct connection, fd_timer);

        if (connection->has_client)
                client_violation(&connection->client,
                                 "descriptors without their message (pending_fd_timeout)");
        connection_close(connection, "pending_fd_timeout");
        return 0;
}

void connection_received(struct connection *connection) {
        if (!connection->is_complete && connection->client.state != CLIENT_CONNECTED)
                set_complete(connection);
}

/* life */

int connection_new(struct server *server, int fd, const struct listener *listener,
                   struct connection **ret_connection) {
        struct connection *connection;
        int r;

        connection = calloc(1, sizeof(*connection));
        if (!connection) {
                close(fd);
                return -ENOMEM;
        }
        connection->server = server;
        connection->listener = listener;
        connection->source.fd = fd;
        connection->source.dispatch = dispatch;
        connection->close.run = close_deferred;
        connection->flush.run = connection_flush;
        connection->auth_timer.expired = auth_expired;
        connection->fd_timer.expired = fds_expired;
        connection->anchor.close = anchor_close;
        connection->anchor.completed = anchor_completed;
        client_credentials_init(&connection->credentials);
        DL_APPEND(server->connections, connection);
        server->bus->n_incomplete++;

        r = credentials_of_socket(fd, &connection->credentials);
        if (r >= 0) {
                connection->peer_uid = connection->credentials.uid;
                connection->peer_pid = connection->credentials.pid;
                connection_handshake_init(connection);
                r = loop_timer_set(server->loop, &connection->auth_timer,
                                   loop_now() + server->bus->limits.auth_timeout * 1000000);
        }
        if (r >= 0)
                r = loop_add(server->loop, &connection->source, EPOLLIN);
        if (r < 0) {
                connection_free(connection);
                return r;
        }
        *ret_connection = connection;
        return 0;
}

struct connection *connection_free(struct connection *connection) {
        struct server *server = connection->server;

        loop_remove(server->loop, &connection->source);
        loop_defer_cancel(server->loop, &connection->close);
        loop_timer_cancel(server->loop, &connection->auth_timer);
        connection_end_session(connection);

        if (connection->has_client) {
                client_disconnect(&connection->client);
                connection_output_deinit(connection);
                client_deinit(&connection->client);
        } else
                connection_output_deinit(connection);
        loop_defer_cancel(server->loop, &connection->flush);

        connection_input_deinit(connection);
        connection_handshake_deinit(connection);
        client_credentials_deinit(&connection->credentials);
        close(connection->source.fd);
        if (!connection->is_complete)
                server_connection_completed(server);
        DL_DELETE(server->connections, connection);
        free(connection);
        return NULL;
}
