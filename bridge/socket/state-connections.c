/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bridge/socket/state-connections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/error.h"
#include "bridge/bus/descriptors.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/state-clients.h"
#include "bridge/socket/connection-handshake.h"
#include "bridge/socket/connection-life.h"
#include "bridge/socket/connection-messages.h"
#include "bridge/socket/linger.h"
#include "bridge/state/message-record.h"

#define CONNECTION "Connection"
#define OUTPUT "Output"

/* saving */

static void put_deadline(struct state_save *save, const char *name,
                         const struct loop_timer *timer) {
        if (timer->index != 0)
                state_put_i64(save, name, timer->deadline);
}

static void put_sasl(struct state_save *save, const struct sasl_server *sasl) {
        struct sasl_progress progress;

        sasl_server_save(sasl, &progress);
        state_put_u32(save, "sasl_state", progress.state);
        state_put_u32(save, "n_rejected", progress.n_rejected);
        state_put_u32(save, "answer_due", progress.answer_due);
        state_put_u32(save, "bus1_mode", progress.bus1_mode);
        state_put_bool(save, "nul_seen", progress.nul_seen);
        state_put_bool(save, "negotiated_fds", progress.negotiated_fds);
        state_put_bool(save, "negotiated_bus1", progress.negotiated_bus1);
        if (progress.n_line > 0)
                state_put_bytes(save, "line", progress.line, progress.n_line);
        if (progress.challenge) {
                state_put_string(save, "challenge", progress.challenge);
                state_put_bytes(save, "cookie", progress.cookie, progress.n_cookie);
        }
}

static void put_handshake(struct state_save *save, const struct connection *connection) {
        const struct docket_visit *visit = &connection->visit;

        if (connection->n_nonce > 0)
                state_put_bytes(save, "nonce", connection->nonce, connection->n_nonce);
        put_sasl(save, &connection->sasl);
        if (visit->deadline == 0)
                return;
        state_put_i64(save, "visit_deadline", visit->deadline);
        state_put_bool(save, "visit_waits", visit->bus != NULL);
        state_put_bool(save, "visit_is_over", visit->is_over);
        state_put_bool(save, "visit_is_bus1", connection->visit_is_bus1);
}

/*
 * If the body of a message is being checked, the next bus begins this check anew: the message is as
 * if its last byte had just come.
 */
static void put_input(struct state_save *save, const struct input *input) {
        const struct message *partial = input->partial;
        size_t n = input_n_fds(input), n_own = input->check ? partial->n_fds : 0;
        int *fds;

        if (input->n_header > 0)
                state_put_bytes(save, "header", input->header, input->n_header);
        if (partial) {
                state_put_bytes(save, "message", partial->wire, input->n_partial);
                state_put_u64(save, "message_room", message_room(partial));
        }
        if (input->rest)
                state_put_bytes(save, "rest", input->rest + input->rest_at,
                                input->n_rest - input->rest_at);
        if (n == 0)
                return;
        fds = malloc(n * sizeof(*fds));
        if (!fds) {
                save->error = save->error ? save->error : -ENOMEM;
                return;
        }
        if (n_own > 0)
                memcpy(fds, partial->fds, n_own * sizeof(*fds));
        if (input->n_fds > 0)
                memcpy(fds + n_own, input->fds, input->n_fds * sizeof(*fds));
        state_put_fds(save, "fds", fds, n);
        free(fds);
}

static void save_connection(const struct connection *connection, struct state_save *save) {
        state_record_begin(save, CONNECTION);
        state_put_u32(save, "id", state_number(save, STATE_CONNECTIONS, connection));
        if (connection->close_reason)
                state_refuse(save, "a connection is being closed");
        state_put_fd(save, "fd", connection->source.fd);
        state_put_ref(save, "listener", STATE_LISTENERS, connection->listener);
        state_put_u32(save, "state", connection->state);
        state_put_u32(save, "mechanism", connection->sasl.mechanism);
        state_put_bool(save, "is_complete", connection->is_complete);
        state_put_bool(save, "is_parked", connection->newcomer.is_parked);
        state_put_bool(save, "is_readable", connection->is_readable);
        state_put_bool(save, "has_ended", connection->has_ended);
        put_deadline(save, "auth_deadline", &connection->auth_timer);
        put_deadline(save, "fd_deadline", &connection->fd_timer);
        if (connection->state == CONNECTION_HANDSHAKE)
                put_handshake(save, connection);
        put_input(save, &connection->input);
        state_record_end(save);
}

void connections_save(const struct server *server, struct state_save *save) {
        const struct connection *connection;

        DL_FOREACH(server->connections, connection) {
                save_connection(connection, save);
                if (save->error)
                        return;
        }
}

/* What an entry of the queue refers to comes before the record of the queue. */
static void save_queued(const struct output *output, struct state_save *save) {
        for (size_t i = 0; i < output->n_queued && !save->error; i++) {
                const struct message *m = output_at(output, i);
                const struct backlog *backlog = quota_backlog_of(output->client, m);

                if (backlog)
                        backlog_save(backlog, save);
                state_save_message(save, m);
        }
        if (output->last)
                state_save_message(save, output->last);
}

/* message, and the client or the orphan whose backlog counts it */
static void put_entry(struct state_save *save, struct writer *w, const struct output *output,
                      const struct message *m) {
        const struct backlog *backlog = quota_backlog_of(output->client, m);

        writer_struct(w);
        writer_u32(w, state_number_of(save, STATE_MESSAGES, m));
        writer_u32(w, backlog && backlog->client
                              ? state_number_of(save, STATE_CLIENTS, backlog->client)
                              : 0);
        writer_u32(w,
                   backlog && !backlog->client ? state_number_of(save, STATE_ORPHANS, backlog) : 0);
}

static void save_output(const struct connection *connection, struct state_save *save) {
        const struct output *output = &connection->output;
        struct writer *w;

        if (output->n_queued == 0 && !output->last && !output->is_broken && output->n_fds_sent == 0)
                return;
        save_queued(output, save);
        state_record_begin(save, OUTPUT);
        state_put_ref(save, "connection", STATE_CONNECTIONS, connection);
        w = state_put(save, "queue", "a(uuu)");
        writer_array_begin(w, 8);
        for (size_t i = 0; i < output->n_queued; i++)
                put_entry(save, w, output, output_at(output, i));
        writer_array_end(w);
        state_put_u64(save, "n_written", output->n_written);
        state_put_ref(save, "last", STATE_MESSAGES, output->last);
        state_put_bool(save, "is_broken", output->is_broken);
        state_put_u64(save, "n_fds_sent", output->n_fds_sent);
        state_record_end(save);
}

void outputs_save(const struct server *server, struct state_save *save) {
        const struct connection *connection;

        DL_FOREACH(server->connections, connection) {
                save_output(connection, save);
                if (save->error)
                        return;
        }
        linger_save(server, save);
}

/* loading: the handshake */

static int set_deadline(struct connection *connection, struct state_load *load, const char *name,
                        struct loop_timer *timer) {
        int64_t deadline = 0;

        if (!state_has(load, name))
                return 0;
        if (state_get_i64(load, name, &deadline) < 0)
                return load->error;
        return loop_timer_set(connection->server->loop, timer, deadline) < 0
                       ? state_fail_memory(load)
                       : 0;
}

static int get_sasl(struct connection *connection, struct state_load *load) {
        struct sasl_progress progress = {.mechanism = connection->sasl.mechanism};
        struct wire_string challenge = {};
        const uint8_t *line = NULL, *cookie = NULL;
        int r;

        state_get_u32(load, "sasl_state", &progress.state);
        state_get_u32(load, "n_rejected", &progress.n_rejected);
        state_get_u32(load, "answer_due", &progress.answer_due);
        state_get_u32(load, "bus1_mode", &progress.bus1_mode);
        state_get_bool(load, "nul_seen", &progress.nul_seen);
        state_get_bool(load, "negotiated_fds", &progress.negotiated_fds);
        state_get_bool(load, "negotiated_bus1", &progress.negotiated_bus1);
        if (state_has(load, "line"))
                state_get_bytes(load, "line", &line, &progress.n_line);
        if (state_find_string(load, "challenge", &challenge) == 0 && challenge.s)
                state_get_bytes(load, "cookie", &cookie, &progress.n_cookie);
        if (load->error)
                return load->error;
        progress.line = (const char *)line;
        progress.challenge = challenge.s;
        progress.cookie = (const char *)cookie;
        r = sasl_server_restore(&connection->sasl, &progress);
        if (r == -EINVAL)
                return state_fail(load, "sasl_state", "no handshake can be like this");
        return r < 0 ? state_fail_memory(load) : 0;
}

static int get_nonce(struct connection *connection, struct state_load *load) {
        const uint8_t *nonce = NULL;
        size_t n = 0;

        if (!state_has(load, "nonce"))
                return 0;
        if (state_get_bytes(load, "nonce", &nonce, &n) < 0)
                return load->error;
        if (!connection->listener->nonce_file || n > sizeof(connection->nonce))
                return state_fail(load, "nonce", "this listener wants none, or a shorter one");
        memcpy(connection->nonce, nonce, n);
        connection->n_nonce = n;
        return 0;
}

/* The handshake may wait for a newer policy, at one of two steps. */
static int get_visit(struct connection *connection, struct state_load *load) {
        struct docket_visit *visit = &connection->visit;
        bool waits = false;

        if (!state_has(load, "visit_deadline"))
                return 0;
        state_get_i64(load, "visit_deadline", &visit->deadline);
        state_get_bool(load, "visit_waits", &waits);
        state_get_bool(load, "visit_is_over", &visit->is_over);
        if (state_get_bool(load, "visit_is_bus1", &connection->visit_is_bus1) < 0)
                return load->error;
        if (waits && docket_visit_restore(connection->server->bus, visit) < 0)
                return state_fail_memory(load);
        return 0;
}

static int get_handshake(struct connection *connection, struct state_load *load) {
        const struct sasl_server *sasl = &connection->sasl;
        bool waits;

        if (get_nonce(connection, load) < 0 || get_sasl(connection, load) < 0 ||
            get_visit(connection, load) < 0)
                return load->error;
        waits = connection->visit.bus != NULL;
        if (sasl_server_has_begun(sasl) != (waits && !connection->visit_is_bus1) ||
            (sasl->answer_due == SASL_NEGOTIATE_BUS1) != (waits && connection->visit_is_bus1))
                return state_fail(load, "sasl_state", "the handshake waits for nothing");
        if (sasl_server_has_begun(sasl))
                connection_set_identity(connection);
        return 0;
}

/* loading: the input */

static int get_message(struct input *input, struct state_load *load) {
        const uint8_t *bytes = NULL;
        uint64_t room = 0;
        size_t n = 0, size;

        if (!state_has(load, "message"))
                return 0;
        state_get_u64(load, "message_room", &room);
        if (state_get_bytes(load, "message", &bytes, &n) < 0)
                return load->error;
        if (n < MESSAGE_HEADER_SIZE || message_frame(bytes, MESSAGE_SIZE_MAX, &size) != 0 ||
            n > room || room > size)
                return state_fail(load, "message", "no message begins like this");
        if (message_new_part(&input->partial, size, room) < 0)
                return state_fail_memory(load);
        memcpy(input->partial->wire, bytes, n);
        input->n_partial = n;
        return 0;
}

static int get_input(struct connection *connection, struct state_load *load) {
        struct input *input = &connection->input;
        const uint8_t *bytes = NULL;
        size_t n = 0;

        input->n_first = INPUT_FIRST_SIZE;
        if (state_has(load, "header")) {
                if (state_get_bytes(load, "header", &bytes, &n) < 0)
                        return load->error;
                if (n >= sizeof(input->header) || state_has(load, "message"))
                        return state_fail(load, "header", "it is complete");
                memcpy(input->header, bytes, n);
                input->n_header = n;
        }
        if (get_message(input, load) < 0)
                return load->error;
        if (state_has(load, "rest")) {
                if (state_get_bytes(load, "rest", &bytes, &n) < 0)
                        return load->error;
                if (input_keep_rest(input, bytes, n) < 0)
                        return state_fail_memory(load);
        }
        if (input->partial && input->n_partial == input->partial->n_wire && !input->rest)
                return state_fail(load, "message", "it is complete, and nothing looks at it");
        if (state_has(load, "fds") &&
            state_get_fds(load, "fds", STATE_FDS_MAX, &input->fds, &input->n_fds) < 0)
                return load->error;
        connection->n_held_fds = input_n_fds(input);
        fds_take(connection->server->bus, connection->account, FDS_HELD, connection->n_held_fds);
        return 0;
}

/* loading: the connection */

/* The kernel knows who is at the other end, so the document is not asked. */
static int get_credentials(struct connection *connection, struct state_load *load) {
        int domain = 0;
        socklen_t n = sizeof(domain);

        if (load->is_dry)
                return 0;
        if (getsockopt(connection->source.fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) < 0 ||
            (domain == AF_UNIX) == connection->listener->is_tcp)
                return state_fail(load, "fd", "descriptor %d is no socket of this listener",
                                  connection->source.fd);
        return credentials_of_socket(connection->source.fd, &connection->credentials) < 0
                       ? state_fail_memory(load)
                       : 0;
}

static int get_newcomer(struct connection *connection, struct state_load *load) {
        struct bus *bus = connection->server->bus;
        bool is_parked = false;

        state_get_bool(load, "is_complete", &connection->is_complete);
        if (state_get_bool(load, "is_parked", &is_parked) < 0)
                return load->error;
        if (connection->is_complete)
                return is_parked ? state_fail(load, "is_parked", "there was a Hello") : 0;
        newcomer_restore(bus, connection->account, &connection->newcomer, is_parked);
        return 0;
}

static int get_stage(struct connection *connection, struct state_load *load) {
        uint32_t state = 0, mechanism = 0;

        state_get_u32(load, "mechanism", &mechanism);
        if (state_get_below(load, "state", CONNECTION_LEAVING + 1, &state) < 0)
                return load->error;
        connection->state = state;
        connection->sasl.mechanism = mechanism;
        switch (connection->state) {
        case CONNECTION_HANDSHAKE:
                return get_handshake(connection, load);
        case CONNECTION_MESSAGES:
        case CONNECTION_DRAINING:
                if (!sasl_is_mechanism(mechanism))
                        return state_fail(load, "mechanism", "there is no such mechanism");
                connection->take = connection_take_messages;
                connection_set_identity(connection);
                return 0;
        case CONNECTION_ANCHOR:
        case CONNECTION_LEAVING:
                if (mechanism != SASL_MECHANISM_EXTERNAL)
                        return state_fail(load, "mechanism", "native programs have another one");
                connection_become_anchor(connection);
                connection->state = state;
                return 0;
        }
        return load->error;
}

static int load_connection(struct server *server, struct state_load *load) {
        struct listener *listener = NULL;
        struct connection *connection;
        int fd = -1, r;

        state_get_ref(load, "listener", STATE_LISTENERS, &listener);
        if (state_get_fd(load, "fd", S_IFSOCK, &fd) < 0)
                return load->error;
        connection = connection_alloc(server, fd, listener);
        if (!connection)
                return state_fail_memory(load);
        if (get_credentials(connection, load) < 0)
                return load->error;
        r = connection_begin(connection);
        if (r < 0)
                return r == -ENOMEM ? state_fail_memory(load)
                                    : state_fail(load, "fd", "%s", strerror(-r));
        state_get_bool(load, "is_readable", &connection->is_readable);
        state_get_bool(load, "has_ended", &connection->has_ended);
        set_deadline(connection, load, "auth_deadline", &connection->auth_timer);
        set_deadline(connection, load, "fd_deadline", &connection->fd_timer);
        if (load->error || get_stage(connection, load) < 0 || get_newcomer(connection, load) < 0 ||
            get_input(connection, load) < 0)
                return load->error;
        return state_define(load, "id", STATE_CONNECTIONS, connection);
}

/* The client of a native session, whose program has this connection as an anchor. */
static int load_session(struct server *server, struct state_load *load) {
        const struct bus_hooks *hooks = &server->bus->hooks;
        struct connection *connection = NULL;

        if (state_get_ref(load, "anchor", STATE_CONNECTIONS, &connection) < 0)
                return load->error;
        if (connection->session || !hooks->session_load ||
            (connection->state != CONNECTION_ANCHOR && (connection->state != CONNECTION_HANDSHAKE ||
                                                        sasl_server_has_begun(&connection->sasl))))
                return state_fail(load, "anchor", "it has no such session");
        return hooks->session_load(hooks->native, &connection->anchor, &connection->credentials,
                                   load, &connection->session);
}

static int load_client(struct server *server, struct state_load *load) {
        struct connection *connection = NULL;
        struct client *client;

        if (state_has(load, "anchor"))
                return load_session(server, load);
        if (state_get_ref(load, "connection", STATE_CONNECTIONS, &connection) < 0)
                return load->error;
        if (connection->has_client || connection->state == CONNECTION_HANDSHAKE ||
            connection->state == CONNECTION_ANCHOR)
                return state_fail(load, "connection", "it has no such client");
        client = &connection->client;
        if (client_init(client, server->bus, &connection_client_ops, &connection->credentials) < 0)
                return state_fail_memory(load);
        connection->has_client = true;
        connection->output.client = client;
        quota_set_unfinished(client, input_size(&connection->input));
        return client_load(client, load);
}

/* loading: outputs */

static int get_backlog(struct state_load *load, uint32_t client_id, uint32_t orphan_id,
                       struct backlog **ret_backlog) {
        struct client *client = NULL;

        *ret_backlog = NULL;
        if (orphan_id > 0)
                return state_ref(load, "queue", STATE_ORPHANS, orphan_id, ret_backlog);
        if (client_id == 0)
                return 0;
        if (state_ref(load, "queue", STATE_CLIENTS, client_id, &client) < 0)
                return load->error;
        *ret_backlog = client->backlog;
        return 0;
}

static int load_entry(struct output *output, struct state_load *load, struct reader *r) {
        uint32_t message_id, client_id, orphan_id;
        struct backlog *backlog = NULL;
        struct message *m = NULL;

        reader_struct(r);
        message_id = reader_u32(r);
        client_id = reader_u32(r);
        orphan_id = reader_u32(r);
        if (state_ref(load, "queue", STATE_MESSAGES, message_id, &m) < 0 ||
            get_backlog(load, client_id, orphan_id, &backlog) < 0)
                return load->error;
        /* bytes of the handshake are charged to nobody */
        if (m->sender.s ? !output->client : backlog != NULL)
                return state_fail(load, "queue", "message %u is not for this connection",
                                  message_id);
        if (backlog && !quota_restore_sender(backlog, output->client, m))
                return state_fail(load, "queue", "message %u has two senders", message_id);
        return output_push(output, m) < 0 ? state_fail_memory(load) : 0;
}

/* Leave only the first n messages of the queue, which are charged. */
static void cut(struct output *output, size_t n) {
        while (output->n_queued > n)
                message_unref(output_at(output, --output->n_queued));
}

static int charge_queue(struct output *output, struct state_load *load) {
        for (size_t i = 0; i < output->n_queued; i++) {
                struct message *m = output_at(output, i);

                if (m->sender.s && quota_restore_outgoing(output->client, m) < 0) {
                        cut(output, i);
                        return state_fail_memory(load);
                }
        }
        return 0;
}

static int get_queue(struct output *output, struct state_load *load) {
        uint64_t n_written = 0;
        const uint8_t *end = NULL;
        struct reader r;

        state_get_u64(load, "n_written", &n_written);
        if (state_get_array(load, "queue", "a(uuu)", &r, &end) < 0)
                return load->error;
        while (r.at < end && load_entry(output, load, &r) == 0)
                ;
        if (load->error) {
                cut(output, 0);
                return load->error;
        }
        if (charge_queue(output, load) < 0)
                return load->error;
        if (n_written >= (output->n_queued > 0 ? output_at(output, 0)->n_wire : 1))
                return state_fail(load, "n_written", "there is no such message");
        output->n_written = n_written;
        return 0;
}

static int get_sent_fds(struct output *output, struct state_load *load) {
        const struct client *client = output->client;
        uint64_t n = 0;

        if (state_get_u64(load, "n_fds_sent", &n) < 0 || n == 0)
                return load->error;
        if (!client || n > STATE_FDS_MAX)
                return state_fail(load, "n_fds_sent", "it is out of range");
        output->n_fds_sent = n;
        fds_take(client->bus, client->account, FDS_SENT, n);
        return 0;
}

static int load_output(struct state_load *load) {
        struct connection *connection = NULL;
        struct message *last = NULL;
        struct output *output;

        if (state_get_ref(load, "connection", STATE_CONNECTIONS, &connection) < 0)
                return load->error;
        output = &connection->output;
        if (output->n_queued > 0 || output->last || output->is_broken || output->n_fds_sent > 0)
                return state_fail(load, "connection", "there is a second record");
        if (get_queue(output, load) < 0 || get_sent_fds(output, load) < 0 ||
            state_find_ref(load, "last", STATE_MESSAGES, &last) < 0 ||
            state_get_bool(load, "is_broken", &output->is_broken) < 0)
                return load->error;
        if (output->is_broken && output->n_queued > 0)
                return state_fail(load, "is_broken", "messages wait for the socket");
        if (last && (!output->client || !last->sender.s))
                return state_fail(load, "last", "this is no message for a client");
        output->last = last ? message_ref(last) : NULL;
        return 0;
}

int connections_load(struct server *server, struct state_load *load) {
        if (state_kind_is(load, CONNECTION))
                return load_connection(server, load);
        if (state_kind_is(load, STATE_CLIENT))
                return load_client(server, load);
        if (state_kind_is(load, OUTPUT))
                return load_output(load);
        return linger_load(server, load);
}

int connections_loaded(const struct server *server, struct state_load *load) {
        const struct connection *connection;

        DL_FOREACH(server->connections, connection) {
                bool has_begun = connection->state != CONNECTION_HANDSHAKE;

                if ((has_begun || connection->is_complete) && !connection->has_client &&
                    !connection->session)
                        return state_fail(load, NULL, "a connection is without its client");
        }
        orphans_loaded(load);
        return load->error;
}

/* the end */

static int wake(struct connection *connection) {
        struct schedule *schedule = &connection->server->bus->schedule;
        int r = 0;

        if (connection->state == CONNECTION_HANDSHAKE)
                r = connection_handshake_resume(connection);
        /* a socket that is full says so, and then an event tells when there is room */
        if (connection->output.n_queued > 0)
                schedule_add_output(schedule, &connection->account->schedule, &connection->flush);
        connection_wake(connection);
        return r;
}

int connections_wake(struct server *server) {
        struct connection *connection;
        int r = 0;

        newcomer_recheck(server->bus);
        DL_FOREACH(server->connections, connection) {
                keep_error(&r, wake(connection));
        }
        docket_judge_all(server->bus);
        return r;
}
