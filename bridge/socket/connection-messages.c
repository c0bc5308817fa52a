/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The messages of a connection: read them from the socket and hand them to the bus. */

#include "bridge/socket/connection-messages.h"

#include "base/container-of.h"
#include "base/scm.h"
#include "bridge/bus/receive.h"

/* messages */

static int receive(struct connection *connection, struct message *m) {
        int r;

        /* The descriptors that are left belong to a later message, so their timeout starts anew. */
        if (m->n_fds > 0)
                loop_timer_cancel(connection->server->loop, &connection->fd_timer);
        r = client_receive(&connection->client, m, 0);
        if (r == CLIENT_E_VIOLATION)
                connection_close(connection, "protocol violation");
        else if (r == 0 && !connection->is_complete && connection->client.state != CLIENT_CONNECTED)
                connection_set_complete(connection);
        message_unref(m);
        return r < 0 ? r : 0;
}

/* Descriptors may wait a limited time for a message that is on its way. Close all others. */
static int settle_fds(struct connection *connection) {
        struct server *server = connection->server;

        if (connection->input.n_fds == 0 || !input_is_amid_message(&connection->input)) {
                input_drop_fds(&connection->input);
                loop_timer_cancel(server->loop, &connection->fd_timer);
                return 0;
        }
        if (connection->fd_timer.index != 0)
                return 0;
        return loop_timer_set(server->loop, &connection->fd_timer,
                              loop_now() + server->bus->limits.pending_fd_timeout * 1000000);
}

int connection_take_messages(struct connection *connection, const uint8_t *bytes, size_t n) {
        const struct bus_limits *limits = &connection->server->bus->limits;

        while (n > 0 || connection->input.partial) {
                const char *violation;
                struct message *m;
                int r;

                if (connection->close_reason)
                        return 0;
                if (n > 0 && !connection->input.partial && connection_input_waits(connection))
                        return connection_keep_rest(connection, bytes, n);
                r = input_next(&connection->input, limits, &bytes, &n, &m, &violation);
                if (r < 0)
                        return r;
                if (violation) {
                        connection_violate(connection, violation);
                        return 0;
                }
                if (!m)
                        break;
                r = receive(connection, m);
                if (r < 0)
                        return r;
        }
        return connection->close_reason ? 0 : settle_fds(connection);
}

/* events */

static int end_of_input(struct connection *connection) {
        /* All messages of the client have been routed, but it may still read the answers. */
        if (connection->output.is_broken || connection->output.n_queued == 0 ||
            connection->state != CONNECTION_MESSAGES)
                connection_close(connection, NULL);
        else
                connection->state = CONNECTION_DRAINING;
        return 0;
}

/* Has the client sent more descriptors than messages can have, or any without negotiation? */
static const char *check_fds(const struct connection *connection) {
        const struct bus_limits *limits = &connection->server->bus->limits;
        size_t n = connection->input.n_fds;
        int64_t max = limits->max_incoming_unix_fds;

        if (n == 0 || connection->state != CONNECTION_MESSAGES)
                return NULL;
        if (!connection->client.fds_negotiated)
                return "descriptors without NEGOTIATE_UNIX_FD";
        /* A whole message must fit, and one read can bring the descriptors of the next, too. */
        if (max < limits->max_message_unix_fds)
                max = limits->max_message_unix_fds;
        return (int64_t)n > max + (int64_t)SCM_FDS_MAX ? "more descriptors than the limits allow"
                                                       : NULL;
}

static int handle_input(struct connection *connection) {
        uint8_t *buffer = connection->server->buffer;
        const char *violation;
        size_t n;
        bool eof;
        int r;

        r = connection_take_rest(connection);
        if (r < 0 || connection->input.rest || connection->close_reason)
                return r;
        r = input_read(&connection->input, connection->source.fd, buffer, SERVER_BUFFER_SIZE, &n,
                       &eof);
        if (r < 0)
                return r;
        violation = r == INPUT_E_LOST ? "descriptors were lost on the way" : check_fds(connection);
        if (violation) {
                connection_violate(connection, violation);
                return 0;
        }
        if (eof)
                return end_of_input(connection);
        return connection->state == CONNECTION_DRAINING ? 0
                                                        : connection->take(connection, buffer, n);
}

int connection_dispatch(struct loop_source *source, uint32_t events) {
        struct connection *connection = container_of(source, struct connection, source);
        int r;

        if (connection->close_reason)
                return 0;
        if (events & (EPOLLHUP | EPOLLERR)) {
                output_break(&connection->output);
                if (connection->state == CONNECTION_DRAINING ||
                    connection_handshake_waits(connection)) {
                        connection_close(connection, NULL);
                        return 0;
                }
        }
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
                r = handle_input(connection);
                if (r < 0)
                        return connection_survive(connection, r);
        }
        if (events & EPOLLOUT)
                loop_defer(connection->server->loop, &connection->flush);
        return connection_update_events(connection);
}
