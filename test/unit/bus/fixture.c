/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A bus without sockets, see fixture.h. */

#include "fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container-of.h"
#include "bridge/bus/account.h"
#include "bridge/bus/mediate.h"
#include "test/unit/suite.h"

struct bus bus;
static struct peer *peers[64];
static size_t n_peers;

static struct peer *peer_of(struct client *client) {
        return container_of(client, struct peer, client);
}

static int deliver(struct client *client, struct message *m, struct reply *reply, uint64_t cookie) {
        struct peer *peer = peer_of(client);

        if (peer->refuse)
                return peer->refuse;
        /* an assertion allocates memory, also when it holds */
        if (peer->n == INBOX_MAX)
                ck_abort_msg("the inbox is full");
        peer->inbox[peer->n].m = message_ref(m);
        peer->inbox[peer->n].cookie = cookie;
        if (reply && reply->caller == client && m->type != MESSAGE_TYPE_METHOD_CALL)
                peer->inbox[peer->n].caller_cookie = reply->caller_cookie;
        else if (reply) {
                reply->callee_cookie = peer->callee_cookie;
                peer->opened = reply;
        }
        peer->n++;
        return 0;
}

static void closed(struct client *client, struct reply *reply) {
        struct peer *peer = peer_of(client);

        peer->closed[peer->n_closed++] =
                reply->caller == client ? reply->caller_cookie : reply->callee_cookie;
}

static const struct client_ops ops = {
        .deliver = deliver,
        .reply_closed = closed,
};

void fixture_setup(void) {
        ck_assert_int_eq(bus_init(&bus, NULL), 0);
        ck_assert_int_eq(driver_add_interfaces(&bus), 0);
}

void fixture_teardown(void) {
        for (size_t i = 0; i < n_peers; i++)
                if (peers[i])
                        peer_free(peers[i]);
        n_peers = 0;
        ck_assert_ptr_null(bus.clients);
        ck_assert_uint_eq(bus.replies.n, 0);
        ck_assert_ptr_null(bus.names.names);
        ck_assert_uint_eq(bus.matches.nodes.n, 0);
        mediate_free_all(&bus);
        account_forget_idle(&bus);
        ck_assert_ptr_null(bus.accounts);
        bus_deinit(&bus);
}

struct peer *peer_new(void) {
        struct client_credentials credentials;
        struct peer *peer = calloc(1, sizeof(*peer));
        size_t i = 0;

        client_credentials_init(&credentials);
        credentials.uid = bus.uid;
        ck_assert_int_eq(client_init(&peer->client, &bus, &ops, &credentials), 0);
        while (i < n_peers && peers[i])
                i++;
        ck_assert_uint_lt(i, sizeof(peers) / sizeof(peers[0]));
        peers[i] = peer;
        if (i == n_peers)
                n_peers++;
        return peer;
}

struct peer *peer_hello(void) {
        struct peer *peer = peer_new();

        peer_call_driver(peer, "Hello", NULL, NULL);
        peer_expect_return(peer);
        peer_expect_signal(peer, "NameAcquired", peer->client.unique_name);
        return peer;
}

void peer_disconnect(struct peer *peer) {
        ck_assert_int_eq(client_disconnect(&peer->client), 0);
}

struct peer *peer_free(struct peer *peer) {
        for (size_t i = 0; i < n_peers; i++)
                if (peers[i] == peer)
                        peers[i] = NULL;
        client_deinit(&peer->client);
        for (size_t i = 0; i < peer->n; i++)
                message_unref(peer->inbox[i].m);
        free(peer);
        return NULL;
}

int peer_send(struct peer *peer, struct writer *w, uint64_t caller_cookie) {
        struct message *m;
        int r;

        ck_assert_int_eq(writer_finish(w, &m), 0);
        r = client_receive(&peer->client, m, caller_cookie);
        message_unref(m);
        return r;
}

void peer_call_init(struct peer *peer, struct writer *w, const char *destination, const char *path,
                    const char *interface, const char *member, const char *signature) {
        writer_init(w, MESSAGE_TYPE_METHOD_CALL, 0, ++peer->serial, signature);
        w->destination = destination;
        w->path = path;
        w->interface = interface;
        w->member = member;
}

void peer_call_driver(struct peer *peer, const char *member, const char *a, const char *b) {
        struct writer w;

        peer_call_init(peer, &w, BUS_DRIVER_NAME, BUS_DRIVER_PATH, BUS_DRIVER_INTERFACE, member,
                       b   ? "ss"
                       : a ? "s"
                           : "");
        if (a)
                writer_string(&w, a);
        if (b)
                writer_string(&w, b);
        ck_assert_int_eq(peer_send(peer, &w, 0), 0);
}

void peer_signal(struct peer *peer, const char *destination, const char *path,
                 const char *interface, const char *member, const char *arg0) {
        struct writer w;

        writer_init(&w, MESSAGE_TYPE_SIGNAL, 0, ++peer->serial, arg0 ? "s" : "");
        w.destination = destination;
        w.path = path;
        w.interface = interface;
        w.member = member;
        if (arg0)
                writer_string(&w, arg0);
        ck_assert_int_eq(peer_send(peer, &w, 0), 0);
}

uint32_t peer_request_name(struct peer *peer, const char *name, uint32_t flags) {
        struct message *m;
        struct reader r;
        struct writer w;

        peer_call_init(peer, &w, BUS_DRIVER_NAME, "/", BUS_DRIVER_INTERFACE, "RequestName", "su");
        writer_string(&w, name);
        writer_u32(&w, flags);
        ck_assert_int_eq(peer_send(peer, &w, 0), 0);

        m = peer->inbox[peer->n - 1].m;
        ck_assert_uint_eq(m->type, MESSAGE_TYPE_METHOD_RETURN);
        reader_init(&r, m);
        return reader_u32(&r);
}

struct message *peer_next(struct peer *peer) {
        return peer->read < peer->n ? peer->inbox[peer->read++].m : NULL;
}

void peer_expect_signal(struct peer *peer, const char *member, const char *arg0) {
        struct message *m = peer_next(peer);

        ck_assert_ptr_nonnull(m);
        ck_assert_uint_eq(m->type, MESSAGE_TYPE_SIGNAL);
        ck_assert_str_eq(m->member.s, member);
        ck_assert_str_eq(m->sender.s, BUS_DRIVER_NAME);
        ck_assert_str_eq(message_get_arg(m, 0).value.s, arg0);
}

void peer_expect_error(struct peer *peer, const char *name) {
        struct message *m = peer_next(peer);

        ck_assert_ptr_nonnull(m);
        ck_assert_uint_eq(m->type, MESSAGE_TYPE_ERROR);
        ck_assert_str_eq(m->error_name.s, name);
        ck_assert_uint_eq(m->reply_serial, peer->serial);
}

void peer_expect_return(struct peer *peer) {
        struct message *m = peer_next(peer);

        ck_assert_ptr_nonnull(m);
        ck_assert_uint_eq(m->type, MESSAGE_TYPE_METHOD_RETURN);
        ck_assert_uint_eq(m->reply_serial, peer->serial);
}

void peer_expect_nothing(struct peer *peer) {
        ck_assert_ptr_null(peer_next(peer));
}

void peer_flush(struct peer *peer) {
        peer->read = peer->n;
}

void peer_forget(struct peer *peer) {
        for (size_t i = 0; i < peer->n; i++)
                message_unref(peer->inbox[i].m);
        peer->n = peer->read = 0;
}

int suite_main(const char *name, TCase *tcase) {
        tcase_add_checked_fixture(tcase, fixture_setup, fixture_teardown);
        return suite_run(name, tcase);
}

void capture_begin(struct capture *capture) {
        int pipes[2];

        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC | O_NONBLOCK), 0);
        capture->stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
        ck_assert_int_eq(dup2(pipes[1], STDERR_FILENO), STDERR_FILENO);
        close(pipes[1]);
        capture->pipe = pipes[0];
        log_init(&capture->log, "test");
        bus.log = bus.complaints.log = &capture->log;
}

size_t capture_end(struct capture *capture, char *text, size_t size) {
        ssize_t n;

        bus.log = bus.complaints.log = NULL;
        log_deinit(&capture->log);
        n = read(capture->pipe, text, size);
        text[n > 0 ? n : 0] = '\0';
        ck_assert_int_lt(n, (ssize_t)size);
        close(capture->pipe);
        ck_assert_int_eq(dup2(capture->stderr_fd, STDERR_FILENO), STDERR_FILENO);
        close(capture->stderr_fd);
        return n > 0 ? (size_t)n : 0;
}
