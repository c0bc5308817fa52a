/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a connection: from accept to the end, and its timeouts. */

#include "bridge/socket/connection-life.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/container-of.h"
#include "base/error.h"
#include "bridge/bus/descriptors.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/receive.h"
#include "bridge/bus/unread.h"
#include "bridge/socket/connection-handshake.h"
#include "bridge/socket/connection-messages.h"
#include "bridge/socket/linger.h"
#include "bridge/state/save.h"

/* The beginning of the end, which may be called again. */
static void begin_to_end(struct connection *connection) {
        /* Try to write the queue: the last message may be the error that tells the client why. */
        if (!connection->output.is_broken && connection->output.n_queued > 0)
                connection_flush(&connection->flush);
        if (connection->has_client) {
                connection->client.is_closing = true;
                output_break(&connection->output);
        }
}

static int close_run(struct schedule_job *job) {
        struct connection *connection = container_of(job, struct connection, close);
        bool done = true;
        int r = 0;

        begin_to_end(connection);
        if (connection->has_client)
                r = client_leave_in_turn(&connection->client, &done);
        if (done)
                connection_free(connection);
        else
                schedule_add_first(&connection->server->bus->schedule,
                                   &connection->account->schedule, &connection->close);
        return r;
}

int connections_end_closing(struct server *server) {
        struct connection *connection, *next;
        bool found;
        int r = 0;

        /* What is told about the names of one can close another one that does not read. */
        do {
                found = false;
                DL_FOREACH_SAFE(server->connections, connection, next) {
                        if (!connection->close_reason)
                                continue;
                        found = true;
                        begin_to_end(connection);
                        if (connection->has_client)
                                keep_error(&r, client_disconnect(&connection->client));
                        connection_free(connection);
                }
        } while (found && r >= 0);
        return r;
}

static void anchor_close(struct native_anchor *anchor, const char *reason) {
        struct connection *connection = container_of(anchor, struct connection, anchor);

        connection->session = NULL;
        connection_close(connection, reason);
}

static void anchor_completed(struct native_anchor *anchor) {
        connection_set_complete(container_of(anchor, struct connection, anchor));
}

static void anchor_save(const struct native_anchor *anchor, struct state_save *save) {
        state_put_ref(save, "anchor", STATE_CONNECTIONS,
                      container_of(anchor, struct connection, anchor));
}

/* time */

static int auth_expired(struct loop_timer *timer) {
        struct connection *connection = container_of(timer, struct connection, auth_timer);

        complain(&connection->server->bus->complaints, connection->peer_uid,
                 "A connection (uid=%d pid=%d) is dropped, its Hello did not succeed in %lldms",
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

/* newcomers */

static void admit(struct newcomer *newcomer) {
        struct connection *connection = container_of(newcomer, struct connection, newcomer);
        struct server *server = connection->server;
        int64_t timeout = server->bus->limits.auth_timeout * 1000000;

        if (loop_timer_set(server->loop, &connection->auth_timer, loop_now() + timeout) < 0) {
                connection_starve(connection);
                return;
        }
        /* Most programs have sent their first bytes by now. */
        connection->is_readable = true;
        connection_wake(connection);
}

/* At once, or a user could connect faster than its turns come in which it closes connections. */
static void evict(struct newcomer *newcomer) {
        connection_free(container_of(newcomer, struct connection, newcomer));
}

/* life */

struct connection *connection_alloc(struct server *server, int fd,
                                    const struct listener *listener) {
        struct connection *connection = calloc(1, sizeof(*connection));

        if (!connection)
                return NULL;
        connection->server = server;
        connection->listener = listener;
        connection->source.fd = fd;
        connection->output.fd = fd;
        connection->source.dispatch = connection_dispatch;
        connection->close.run = close_run;
        connection->read.run = connection_read;
        connection->flush.run = connection_flush;
        connection->auth_timer.expired = auth_expired;
        connection->fd_timer.expired = fds_expired;
        connection->anchor.close = anchor_close;
        connection->anchor.completed = anchor_completed;
        connection->anchor.save = anchor_save;
        connection->newcomer.admit = admit;
        connection->newcomer.evict = evict;
        client_credentials_init(&connection->credentials);
        DL_APPEND(server->connections, connection);
        return connection;
}

int connection_begin(struct connection *connection) {
        struct server *server = connection->server;

        connection->peer_uid = connection->credentials.uid;
        connection->peer_pid = connection->credentials.pid;
        connection->account = account_get(server->bus, connection->peer_uid);
        if (!connection->account)
                return -ENOMEM;
        connection->account->n_connections++;
        connection_handshake_init(connection);
        return loop_add(server->loop, &connection->source, CONNECTION_EVENTS);
}

int connection_new(struct server *server, int fd, const struct listener *listener,
                   struct connection **ret_connection) {
        struct connection *connection;
        int r;

        connection = connection_alloc(server, fd, listener);
        if (!connection) {
                close(fd);
                return -ENOMEM;
        }
        r = credentials_of_socket(fd, &connection->credentials);
        if (r >= 0)
                r = connection_begin(connection);
        if (r < 0) {
                connection_free(connection);
                return r;
        }
        newcomer_add(server->bus, connection->account, &connection->newcomer);
        *ret_connection = connection;
        return 0;
}

struct connection *connection_free(struct connection *connection) {
        struct server *server = connection->server;
        bool lingers = false;

        loop_remove(server->loop, &connection->source);
        schedule_cancel(&server->bus->schedule, &connection->close);
        schedule_cancel(&server->bus->schedule, &connection->read);
        loop_timer_cancel(server->loop, &connection->auth_timer);
        loop_timer_cancel(server->loop, &connection->fd_timer);
        connection_end_session(connection);

        if (connection->has_client) {
                /* If the bus ends, no service is started for them. */
                unread_drop(&connection->client);
                client_disconnect(&connection->client);
                output_break(&connection->output);
                lingers = linger_take(server, &connection->output, connection->source.fd);
                output_deinit(&connection->output);
                client_deinit(&connection->client);
        } else
                output_deinit(&connection->output);
        schedule_cancel(&server->bus->schedule, &connection->flush);

        input_deinit(&connection->input);
        connection_handshake_deinit(connection);
        client_credentials_deinit(&connection->credentials);
        if (!lingers)
                close(connection->source.fd);
        newcomer_remove(server->bus, &connection->newcomer);
        if (connection->account)
                fds_drop(server->bus, connection->account, FDS_HELD, connection->n_held_fds);
        DL_DELETE(server->connections, connection);
        if (connection->account)
                connection->account->n_connections--;
        account_put(server->bus, connection->account);
        free(connection);
        return NULL;
}
