/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections: the handshake. On success it makes a client, or the anchor of a native session. */

#include "bridge/socket/connection-handshake.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/container-of.h"
#include "bridge/bus/membership.h"
#include "bridge/bus/verdict.h"
#include "bridge/socket/connection-messages.h"

/*
 * Answer NEGOTIATE_BUS1. The caller sends *ret_fd (-1: none) with the answer. There is no answer
 * yet if the connection waits for a newer policy.
 */
static void negotiate(struct connection *connection, struct sasl_answer *answer, int *ret_fd) {
        struct bus *bus = connection->server->bus;
        const char *why = "the policy of this bus does not let you connect";
        uint64_t handle;
        int fd = -1, r;

        *ret_fd = -1;
        /* A session has the credentials of the socket, so the client must have proved these. */
        if (connection->sasl.mechanism != SASL_MECHANISM_EXTERNAL) {
                sasl_server_refuse_bus1(&connection->sasl, "bus1 is possible only after EXTERNAL",
                                        answer);
                return;
        }
        if (connection->session) {
                sasl_server_refuse_bus1(&connection->sasl, "bus1 is agreed already", answer);
                return;
        }
        connection->visit_is_bus1 = true;
        if (!bus->hooks.session_begin ||
            !verdict_check_connect(bus, &connection->credentials, false, &connection->visit)) {
                if (connection->visit.bus)
                        return;
                sasl_server_refuse_bus1(&connection->sasl, why, answer);
                return;
        }
        if (connection->input.n_fds > 0)
                input_take_fds(&connection->input, &fd, 1);

        r = bus->hooks.session_begin(bus->hooks.native, &connection->anchor,
                                     &connection->credentials, connection->sasl.bus1_mode, fd,
                                     &connection->session, &handle, ret_fd, &why);
        if (r < 0) {
                connection->session = NULL;
                sasl_server_refuse_bus1(&connection->sasl, why, answer);
                return;
        }
        sasl_server_agree_bus1(&connection->sasl, handle, answer);
}

/* lines */

void connection_set_identity(struct connection *connection) {
        struct client_credentials known = connection->credentials;

        /* With EXTERNAL the user is that in the socket's credentials, so all of them are valid. */
        if (connection->sasl.mechanism == SASL_MECHANISM_EXTERNAL)
                return;
        client_credentials_init(&connection->credentials);
        connection->credentials.pid = known.pid;
        connection->credentials.socket = known.socket;
        client_credentials_deinit(&known);
        /* Cookies are only for the user that the bus runs as. */
        if (connection->sasl.mechanism == SASL_MECHANISM_COOKIE_SHA1)
                connection->credentials.uid = connection->peer_uid = connection->server->bus->uid;
}

/* Take the identity that the client has proved. Returns false if ANONYMOUS is not allowed. */
static bool take_identity(struct connection *connection) {
        struct server *server = connection->server;

        connection_set_identity(connection);
        if (connection->sasl.mechanism != SASL_MECHANISM_ANONYMOUS)
                return true;
        if (!server->allow_anonymous)
                complain(&server->bus->complaints, connection->peer_uid,
                         "Rejected an anonymous connection (uid=%d pid=%d), there is no "
                         "<allow_anonymous/>",
                         (int)connection->peer_uid, (int)connection->peer_pid);
        return server->allow_anonymous;
}

/* The socket of a native session only shows that its program lives. */
static int take_anchor(struct connection *connection, const uint8_t **bytes, size_t *n) {
        (void)bytes;
        if (*n > 0 || connection->input.n_fds > 0)
                connection_violate(connection, "bytes on the socket of a native session");
        return 0;
}

void connection_become_anchor(struct connection *connection) {
        connection->state = CONNECTION_ANCHOR;
        connection->take = take_anchor;
}

/*
 * The connection, whose identity is known, becomes a client, is closed, or waits for a newer
 * policy.
 */
static int join(struct connection *connection) {
        struct bus *bus = connection->server->bus;
        int r;

        connection->visit_is_bus1 = false;
        if (!verdict_check_connect(bus, &connection->credentials,
                                   connection->sasl.mechanism == SASL_MECHANISM_ANONYMOUS,
                                   &connection->visit)) {
                if (!connection->visit.bus)
                        connection_close(connection, "not allowed to connect");
                return 0;
        }
        r = client_init(&connection->client, bus, &connection_client_ops, &connection->credentials);
        if (r < 0)
                return r;
        connection->has_client = true;
        connection->client.fds_negotiated = connection->sasl.negotiated_fds;
        connection->output.client = &connection->client;
        connection->state = CONNECTION_MESSAGES;
        connection->take = connection_take_messages;
        sasl_server_deinit(&connection->sasl);
        if (connection->input.n_fds > 0 && !connection->client.fds_negotiated)
                connection_violate(connection, "descriptors without NEGOTIATE_UNIX_FD");
        return 0;
}

/* BEGIN: the connection becomes a client or the anchor of a native session, or is closed. */
static int begin(struct connection *connection) {
        if (connection->sasl.negotiated_bus1 && connection->session) {
                connection_become_anchor(connection);
                return 0;
        }
        connection_end_session(connection);
        if (take_identity(connection))
                return join(connection);
        connection_close(connection, "not allowed to connect");
        return 0;
}

/* Look up the cookie for DBUS_COOKIE_SHA1, or refuse. Returns SASL_COOKIE, MORE or CLOSE. */
static enum sasl_event request_cookie(struct connection *connection, struct sasl_answer *answer) {
        if (cookies_request(&connection->server->cookies, &connection->cookie) >= 0)
                return SASL_COOKIE;
        return sasl_server_refuse_cookie(&connection->sasl, answer);
}

static int feed(struct connection *connection, const char *bytes, size_t n, size_t *ret_consumed) {
        struct sasl_answer answer; /* 4 KiB: not worth clearing */
        enum sasl_event event;
        int r, fd = -1;

        answer.n = 0;
        r = sasl_server_feed(&connection->sasl, bytes, n, ret_consumed, &answer, &event);
        if (r < 0)
                return r;

        switch (event) {
        case SASL_MORE:
                break;
        case SASL_NEGOTIATE_BUS1:
                /* The answer may carry a descriptor, so it is sent in a write of its own. */
                if (answer.n > 0) {
                        r = connection_send_bytes(connection, answer.text, answer.n, -1);
                        if (r < 0)
                                return r;
                        answer.n = 0;
                }
                negotiate(connection, &answer, &fd);
                break;
        case SASL_COOKIE:
                event = request_cookie(connection, &answer);
                break;
        case SASL_BEGIN:
                r = begin(connection);
                break;
        case SASL_CLOSE:
                break;
        }
        if (r >= 0 && answer.n > 0)
                r = connection_send_bytes(connection, answer.text, answer.n, fd);
        if (event == SASL_CLOSE)
                connection_violate(connection, connection->sasl.violation);
        return r;
}

/* The cookie has been looked up (NULL: there is none): go on with the handshake. */
static int have_cookie(struct cookie_request *request, const struct keyring_cookie *cookie) {
        struct connection *connection = container_of(request, struct connection, cookie);
        struct sasl_answer answer; /* 4 KiB: not worth clearing */
        uint8_t random[SASL_CHALLENGE_SIZE];
        int r;

        answer.n = 0;
        if (connection->close_reason)
                return 0;
        if (!cookie || getrandom(random, sizeof(random), 0) != sizeof(random)) {
                if (sasl_server_refuse_cookie(&connection->sasl, &answer) == SASL_CLOSE)
                        connection_violate(connection, connection->sasl.violation);
        } else {
                r = sasl_server_challenge(&connection->sasl, COOKIES_CONTEXT, cookie->id,
                                          cookie->secret, random, &answer);
                if (r < 0)
                        return r;
        }
        r = connection_send_bytes(connection, answer.text, answer.n, -1);
        if (r >= 0)
                connection_wake(connection);
        return r;
}

/* docket_visit.wake: go on with the handshake, if the policy allows it now. */
static int ask_again(struct docket_visit *visit) {
        struct connection *connection = container_of(visit, struct connection, visit);
        struct sasl_answer answer; /* 4 KiB: not worth clearing */
        int r = 0, fd = -1;

        answer.n = 0;
        if (connection->close_reason)
                return 0;
        if (connection->visit_is_bus1)
                negotiate(connection, &answer, &fd);
        else
                r = join(connection);
        if (r >= 0 && answer.n > 0)
                r = connection_send_bytes(connection, answer.text, answer.n, fd);
        if (r >= 0 && !connection->visit.bus)
                connection_wake(connection);
        return connection_survive(connection, r);
}

/* nonce-tcp: a client that sends the nonce first has proved that it can read the nonce file. */
static size_t take_nonce(struct connection *connection, const uint8_t *bytes, size_t n) {
        const struct listener *listener = connection->listener;
        uint8_t difference = 0;

        if (n > LISTENER_NONCE_SIZE - connection->n_nonce)
                n = LISTENER_NONCE_SIZE - connection->n_nonce;
        memcpy(connection->nonce + connection->n_nonce, bytes, n);
        connection->n_nonce += n;
        if (connection->n_nonce == LISTENER_NONCE_SIZE) {
                for (size_t i = 0; i < LISTENER_NONCE_SIZE; i++)
                        difference |= connection->nonce[i] ^ listener->nonce[i];
                if (difference)
                        connection_violate(connection, "a wrong nonce");
        }
        return n;
}

static void consume(const uint8_t **bytes, size_t *n, size_t n_consumed) {
        *bytes += n_consumed;
        *n -= n_consumed;
}

static int take_handshake(struct connection *connection, const uint8_t **bytes, size_t *n) {
        size_t n_consumed;
        int r;

        if (connection->listener->nonce_file && connection->n_nonce < LISTENER_NONCE_SIZE) {
                n_consumed = take_nonce(connection, *bytes, *n);
                consume(bytes, n, n_consumed);
        }
        while (*n > 0 && connection->state == CONNECTION_HANDSHAKE && !connection->close_reason) {
                if (connection->cookie.queued || connection->visit.bus)
                        return 0;
                r = feed(connection, (const char *)*bytes, *n, &n_consumed);
                if (r < 0)
                        return r;
                consume(bytes, n, n_consumed);
        }

        if (connection->state == CONNECTION_MESSAGES)
                return connection_take_messages(connection, bytes, n);
        if (connection->close_reason || connection->visit.bus)
                return 0;
        if (connection->input.n_fds > 0)
                connection_violate(connection, "descriptors before the end of the handshake");
        else if (connection->state == CONNECTION_ANCHOR && *n > 0)
                connection_violate(connection, "bytes on the socket of a native session");
        return 0;
}

/* life */

/* What the handshake can be about depends on what the process has found at its start. */
static void set_possible(struct connection *connection) {
        struct server *server = connection->server;
        bool is_tcp = connection->listener->is_tcp;

        connection->sasl.mechanisms = server->mechanisms;
        connection->sasl.can_pass_fds = !is_tcp;
        connection->sasl.can_bus1 = !is_tcp && server->bus->hooks.session_begin != NULL;
        connection->sasl.cookie_uid = server->cookies.uid;
        connection->sasl.cookie_user = server->cookies.user;
}

void connection_handshake_init(struct connection *connection) {
        connection->take = take_handshake;
        sasl_server_init(&connection->sasl);
        set_possible(connection);
        connection->sasl.guid = connection->listener->guid;
        connection->sasl.peer_uid = connection->credentials.uid;
        connection->cookie.done = have_cookie;
        connection->visit.account = connection->account;
        connection->visit.wake = ask_again;
}

void connection_handshake_deinit(struct connection *connection) {
        cookies_cancel(&connection->server->cookies, &connection->cookie);
        docket_visit_end(&connection->visit);
        sasl_server_deinit(&connection->sasl);
}

int connection_handshake_resume(struct connection *connection) {
        struct sasl_answer answer; /* 4 KiB: not worth clearing */
        int r;

        set_possible(connection);
        if (connection->sasl.answer_due != SASL_COOKIE)
                return 0;
        answer.n = 0;
        if (request_cookie(connection, &answer) == SASL_CLOSE)
                connection_violate(connection, connection->sasl.violation);
        r = answer.n > 0 ? connection_send_bytes(connection, answer.text, answer.n, -1) : 0;
        return connection_survive(connection, r);
}
