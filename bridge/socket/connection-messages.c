/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The messages of a connection: read them from the socket and hand them to the bus. */

#include "bridge/socket/connection-messages.h"

#include "base/container-of.h"
#include "base/scm.h"
#include "bridge/bus/descriptors.h"
#include "bridge/bus/docket.h"
#include "bridge/bus/receive.h"

/* Copying and checking this many bytes counts as one step of the schedule. */
#define BYTES_PER_STEP 4096
/* The memory that a message gets before its bytes arrive; it grows with them. */
#define FIRST_SIZE (256 * 1024)
/*
 * The same, and the size of a read, while most of what the user may send waits already, or others
 * have jobs, too.
 */
#define SMALL_READ_SIZE INPUT_FIRST_SIZE

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

        if (!connection->input.fds)
                return 0;
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

/*
 * A part of a body has been checked, which takes as long as many small messages. The descriptors
 * of the message have not waited in vain, so their timeout ends. The check is progress, although
 * the message stays unfinished.
 */
static void note_check(struct connection *connection) {
        schedule_count(&connection->server->bus->schedule, SCHEDULE_STEPS);
        if (connection->input.partial->n_fds > 0)
                loop_timer_cancel(connection->server->loop, &connection->fd_timer);
        quota_set_unfinished(&connection->client, input_size(&connection->input));
}

int connection_take_messages(struct connection *connection, const uint8_t **bytes, size_t *n) {
        struct bus *bus = connection->server->bus;
        bool may_wait = false; /* the job has just looked whether input has to wait */

        while (*n > 0 || connection->input.partial) {
                const char *violation;
                struct message *m;
                int r;

                if (connection->close_reason)
                        return 0;
                if (may_wait && !connection->input.partial && connection_input_waits(connection))
                        return 0;
                r = input_next(&connection->input, &bus->limits, bytes, n, &m, &violation);
                if (r < 0)
                        return r;
                if (violation) {
                        connection_violate(connection, violation);
                        return 0;
                }
                if (m) {
                        schedule_count(&bus->schedule, m->n_wire / BYTES_PER_STEP);
                        r = receive(connection, m);
                        if (r < 0)
                                return r;
                        if (*n == 0)
                                break;
                } else if (connection->input.check) {
                        note_check(connection);
                } else {
                        break;
                }
                if (schedule_is_over(&bus->schedule))
                        return 0;
                may_wait = true;
        }
        return connection->close_reason ? 0 : settle_fds(connection);
}

/* events */

static int end_of_input(struct connection *connection) {
        struct bus *bus = connection->server->bus;
        int r;

        if (connection->state == CONNECTION_ANCHOR) {
                connection->state = CONNECTION_LEAVING;
                return bus->hooks.session_leave(bus->hooks.native, connection->session);
        }
        /* A client that has gone waits for no newer policy, but others wait for what it sent. */
        r = connection->has_client ? docket_flush(&connection->client) : 0;
        if (r < 0)
                return r;
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

/* Read once, and take what was read. */
static int read_once(struct connection *connection) {
        const uint8_t *bytes = connection->server->buffer;
        struct input_end end;
        const char *violation;
        size_t n_buffer = SERVER_BUFFER_SIZE, n;
        int r;

        docket_note_input(connection->server->bus);
        connection->input.n_first = FIRST_SIZE;
        if (!connection->has_client || quota_is_scarce(&connection->client) ||
            schedule_is_shared(&connection->server->bus->schedule))
                connection->input.n_first = n_buffer = SMALL_READ_SIZE;
        r = input_read(&connection->input, connection->source.fd, connection->server->buffer,
                       n_buffer, &n, &end);
        if (r < 0)
                return r;
        /* A short read can stop at urgent data (TCP), or before the end of the input. */
        if (end.is_empty ||
            (end.is_short && !connection->has_ended && !connection->listener->is_tcp))
                connection->is_readable = false;
        violation = r == INPUT_E_LOST ? "descriptors were lost on the way" : check_fds(connection);
        if (violation) {
                connection_violate(connection, violation);
                return 0;
        }
        /* TCP has other reasons for a reset. */
        if (end.is_reset && !connection->listener->is_tcp)
                output_end_unread(&connection->output);
        if (end.is_eof)
                return end_of_input(connection);
        r = connection->take(connection, &bytes, &n);
        if (r < 0 || connection->close_reason || (n == 0 && !connection->input.check))
                return r;
        if (input_keep_rest(&connection->input, bytes, n) < 0)
                connection_close(connection, "no memory for what it sent");
        return 0;
}

/*
 * One read can bring thousands of messages. If the client has to wait meanwhile, for example
 * because its backlog has grown too long, or its turn is over, the bytes that follow are kept.
 * There may be none, if the body of a large message has been checked only in part.
 */
static int take_rest(struct connection *connection) {
        struct input *input = &connection->input;
        const uint8_t *bytes = input->rest + input->rest_at;
        size_t n = input->n_rest - input->rest_at;
        int r;

        r = connection->take(connection, &bytes, &n);
        input->rest_at = input->n_rest - n;
        if (n == 0 && !input->check)
                input_free_rest(input);
        return r;
}

/* Charge the user for the descriptors that wait for their message. */
static void settle_held_fds(struct connection *connection) {
        size_t n = input_n_fds(&connection->input);
        struct bus *bus = connection->server->bus;

        if (n == connection->n_held_fds)
                return;
        if (n > connection->n_held_fds &&
            !fds_may_take(bus, connection->account, FDS_HELD, n - connection->n_held_fds)) {
                account_note(bus, connection->account, ACCOUNT_DISCONNECTED);
                connection_violate(connection, "too many descriptors of its user wait");
                return;
        }
        fds_take(bus, connection->account, FDS_HELD, n);
        fds_drop(bus, connection->account, FDS_HELD, connection->n_held_fds);
        connection->n_held_fds = n;
}

int connection_read(struct schedule_job *job) {
        struct connection *connection = container_of(job, struct connection, read);
        size_t n;
        int r;

        /* Whatever ends the wait schedules another read. */
        if (connection->close_reason || connection_is_read(connection) ||
            connection_handshake_waits(connection))
                return 0;
        if (connection_input_waits(connection))
                return connection->client.is_paused ? server_set_stall(connection->server) : 0;
        r = connection->input.rest ? take_rest(connection) : read_once(connection);
        if (r < 0)
                return connection_survive(connection, r);
        if (connection->close_reason)
                return 0;
        settle_held_fds(connection);
        /* Also without a change: a large message whose memory is there already gets on. */
        n = connection->has_client ? input_size(&connection->input) : 0;
        if (n > 0 || (connection->has_client && connection->client.unfinished > 0))
                quota_set_unfinished(&connection->client, n);
        /*
         * A client that has shut down its reading side cannot be called any more, so it must not
         * keep its names. It leaves once the bus has read everything that it sent before.
         */
        if (connection->output.is_broken && !connection->is_readable && !connection->input.rest &&
            connection->state != CONNECTION_LEAVING) {
                r = connection->has_client ? docket_flush(&connection->client) : 0;
                connection_close(connection, NULL);
                return connection_survive(connection, r);
        }
        /*
         * What is left of a read comes first: so at most one connection of a user has it. But the
         * check of a large body takes turns with the user's other connections, which may be all
         * others of the bus. It does not need this bound, because its message counts as unfinished.
         */
        if (connection->input.rest && !connection->input.check)
                schedule_add_first(&connection->server->bus->schedule,
                                   &connection->account->schedule, &connection->read);
        else
                connection_wake(connection);
        return 0;
}

int connection_dispatch(struct loop_source *source, uint32_t events) {
        struct connection *connection = container_of(source, struct connection, source);

        if (connection->close_reason)
                return 0;
        if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                connection->has_ended = true;
        if (events & (EPOLLHUP | EPOLLERR)) {
                output_break(&connection->output);
                if (connection->state == CONNECTION_DRAINING ||
                    connection_handshake_waits(connection)) {
                        connection_close(connection, NULL);
                        return 0;
                }
        }
        if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
                connection->is_readable = true;
                connection_wake(connection);
        }
        if (events & EPOLLOUT)
                schedule_add_output(&connection->server->bus->schedule,
                                    &connection->account->schedule, &connection->flush);
        return 0;
}
