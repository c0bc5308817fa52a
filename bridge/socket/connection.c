/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections: closing, sending, and when to read. */

#include "bridge/socket/connection.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/container-of.h"
#include "bridge/bus/quota.h"
#include "bridge/bus/receive.h"
#include "bridge/bus/tell.h"
#include "bridge/state/save.h"

/* A system call that wakes another process takes as long as so many usual steps. */
#define STEPS_PER_WRITE 3

/* closing */

void connection_close(struct connection *connection, const char *reason) {
        if (connection->close_reason)
                return;
        connection->close_reason = reason ? reason : "";
        schedule_add_first(&connection->server->bus->schedule, &connection->account->schedule,
                           &connection->close);
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

/*
 * A queue holds so few descriptors that the messages which one turn takes from a sender can fill
 * it. If the queue is about to be written, write it now, so that nothing is refused of which the
 * socket takes more.
 */
static int charge(struct connection *connection, struct message *m) {
        struct client *client = &connection->client;
        int r;

        r = quota_charge_outgoing(client, m);
        if (r != CLIENT_E_QUOTA || m->n_fds == 0 || !connection->flush.user)
                return r;
        schedule_cancel(&client->bus->schedule, &connection->flush);
        r = connection_flush(&connection->flush);
        if (r < 0)
                return r;
        return connection->output.is_broken || connection->close_reason
                       ? CLIENT_E_GONE
                       : quota_charge_outgoing(client, m);
}

static int client_deliver(struct client *client, struct message *m, struct reply *reply,
                          uint64_t cookie) {
        struct connection *connection = container_of(client, struct connection, client);
        int r;

        if (connection->output.is_broken || connection->close_reason)
                return CLIENT_E_GONE;

        r = charge(connection, m);
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
        schedule_cause(&client->bus->schedule, &connection->flush);
        return 0;
}

static void client_resume(struct client *client) {
        connection_wake(container_of(client, struct connection, client));
}

static void client_displace(struct client *client) {
        connection_close(container_of(client, struct connection, client),
                         "a connection of another user needs its place");
}

static void client_save(const struct client *client, struct state_save *save) {
        state_put_ref(save, "connection", STATE_CONNECTIONS,
                      container_of(client, struct connection, client));
}

const struct client_ops connection_client_ops = {
        .deliver = client_deliver,
        .resume = client_resume,
        .displace = client_displace,
        .save = client_save,
};

/* Hello, and the native session of an anchor */

void connection_set_complete(struct connection *connection) {
        struct server *server = connection->server;

        if (connection->is_complete)
                return;
        connection->is_complete = true;
        loop_timer_cancel(server->loop, &connection->auth_timer);
        newcomer_remove(server->bus, &connection->newcomer);
}

void connection_end_session(struct connection *connection) {
        struct bus *bus = connection->server->bus;

        if (connection->session)
                bus->hooks.session_end(bus->hooks.native, connection->session);
        connection->session = NULL;
}

/* input */

void connection_schedule_read(struct connection *connection) {
        if (connection->close_reason || connection_is_read(connection))
                return;
        schedule_add(&connection->server->bus->schedule, &connection->account->schedule,
                     &connection->read);
}

/* output */

int connection_send_bytes(struct connection *connection, const char *bytes, size_t n, int fd) {
        int r;

        r = output_push_bytes(&connection->output, bytes, n, fd);
        if (r >= 0)
                schedule_cause(&connection->server->bus->schedule, &connection->flush);
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

/*
 * Deal with what output_write() returned. EPOLLOUT is asked for only while the socket is full. When
 * the socket is broken, the bus reads all that the client sent before, and then closes.
 */
static int settle_output(struct connection *connection, int r) {
        uint32_t events = CONNECTION_EVENTS;

        while (r == OUTPUT_E_FDS) {
                r = drop_head(connection);
                if (r >= 0)
                        r = output_write(&connection->output);
        }
        connection->is_stalled = r == OUTPUT_E_STALLED;
        if (r == OUTPUT_E_STALLED)
                r = server_set_stall(connection->server);
        else if (r == OUTPUT_E_FULL)
                events |= EPOLLOUT;
        if (connection->output.is_broken)
                connection->is_readable = true;
        return r < 0 ? r : loop_set_events(connection->server->loop, &connection->source, events);
}

int connection_flush(struct schedule_job *job) {
        struct connection *connection = container_of(job, struct connection, flush);
        int r;

        connection->is_stalled = false;
        schedule_count(&connection->server->bus->schedule, STEPS_PER_WRITE);
        r = output_write(&connection->output);
        if (r != 0 || connection->output.is_broken ||
            connection->source.events != CONNECTION_EVENTS) {
                r = settle_output(connection, r);
                if (r < 0)
                        return connection_survive(connection, r);
        }
        if (connection->state == CONNECTION_DRAINING && connection->output.n_queued == 0)
                connection_close(connection, NULL);
        /* It may have waited until its answers are written. */
        connection_wake(connection);
        return 0;
}
