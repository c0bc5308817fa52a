/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Wrong structures are refused, and lack of memory ends a freeze or a thaw; in both cases nobody
 * notices, and the clients go on
 */

#include "kernel/core/message.h"
#include "kernel/core/peer.h"
#include "kernel/hosted/state.h"
#include "test/unit/hosted/client.h"
#include "test/unit/hosted/site.h"
#include "test/unit/hosted/tape.h"
#include "test/unit/memory.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* a saver that fails at its nth structure */
static int left;

static int count_down(void) {
        return left-- == 0 ? -EFBIG : 0;
}

static int fail_domain(void *data, const struct hosted_frozen_domain *domain) {
        return count_down();
}

static int fail_peer(void *data, const struct bus1_frozen_peer *peer) {
        return count_down();
}

static int fail_served(void *data, const struct hosted_frozen_served *served) {
        return count_down();
}

static int fail_local(void *data, const struct hosted_frozen_local *local) {
        return count_down();
}

static int fail_node(void *data, const struct bus1_frozen_node *node) {
        return count_down();
}

static int fail_handle(void *data, const struct bus1_frozen_handle *handle) {
        return count_down();
}

static int fail_payload(void *data, const struct hosted_frozen_payload *payload) {
        return count_down();
}

static int fail_message(void *data, const struct bus1_frozen_message *message) {
        return count_down();
}

static int fail_notification(void *data, const struct bus1_frozen_notification *notification) {
        return count_down();
}

static const struct hosted_saver failing_saver = {
        .domain = fail_domain,
        .peer = fail_peer,
        .served = fail_served,
        .local = fail_local,
        .node = fail_node,
        .handle = fail_handle,
        .payload = fail_payload,
        .message = fail_message,
        .notification = fail_notification,
};

/*
 * A site with all kinds of structures: client 0 owns a node, 1 and 2 send to it, with handles and
 * descriptors; client 1 has a notification; client 2 has a large message that it has begun to read.
 */
struct rich {
        struct site site;
        uint64_t nodes[3];
};

static void rich_init(struct rich *rich) {
        struct site *site = &rich->site;
        struct bus1_transfer transfer;
        uint64_t handles[3], node, handle, released;
        struct hosted_served *served;
        struct bus1_payload *payload;

        site_init(site, 3);
        for (size_t i = 0; i < 3; i++) {
                ck_assert_int_eq(
                        bus1_client_create_node(site->clients[i], 0, &rich->nodes[i], &handles[i]),
                        0);
                handles[i] = give(site->clients[i], site->clients[(i + 1) % 3], handles[i]);
        }
        transfer = (struct bus1_transfer){.id = handles[0]};
        ck_assert_int_eq(send_message(site->clients[1], &handles[0], 1, &transfer, 1, 100, 1, 2),
                         0);
        ck_assert_int_eq(bus1_client_create_node(site->clients[0], 0, &node, &released), 0);
        handle = give(site->clients[0], site->clients[1], released);
        ck_assert_uint_ne(handle, 0);
        ck_assert_int_eq(bus1_client_release(site->clients[0], 2, (uint64_t[]){node, released}), 0);
        ck_assert_int_eq(send_message(site->clients[0], &handles[2], 1, NULL, 0, 100000, 3, 1), 0);
        served = hosted_served_find(site->domain, site->tokens[2]);
        site_stop(site);
        payload = NULL;
        for (struct rb_node *rb = rb_first_cached(&served->peer->queue.entries); rb && !payload;
             rb = rb_next(rb))
                payload = bus1_delivery_from_entry(bus1_queue_entry_from_rb(rb))->payload;
        served->reading = payload;
}

/* The clients get what waits for them. The site is started. */
static void rich_finish(struct rich *rich) {
        struct bus1_received *received;

        expect(rich->site.clients[0], rich->nodes[0], 100, 2);
        ck_assert_int_eq(bus1_client_recv_alloc(rich->site.clients[1], &received), 0);
        ck_assert_uint_eq(received->type, BUS1_MESSAGE_TYPE_NODE_RELEASE);
        bus1_received_free(received);
        expect(rich->site.clients[2], rich->nodes[2], 100000, 1);
        site_deinit(&rich->site);
}

START_TEST(a_saver_may_fail) {
        struct rich rich;
        int n = 0, r;

        rich_init(&rich);
        do {
                left = n++;
                r = hosted_freeze(rich.site.domain, &rich.site.local, 1, &failing_saver, NULL);
                ck_assert(r == 0 || r == -EFBIG);
        } while (r < 0);
        ck_assert_int_gt(n, 15);
        site_refreeze(&rich.site);
        site_start(&rich.site);
        rich_finish(&rich);
}
END_TEST

START_TEST(every_allocation_may_fail) {
        struct bus1_domain *domain;
        struct bus1_client *local;
        struct tape *tape;
        struct rich rich;
        long n = 0;
        int n_fds, r;

        rich_init(&rich);
        n_fds = count_fds();
        do {
                memory_left = n++;
                r = tape_record(rich.site.domain, &rich.site.local, 1, &tape);
                memory_left = -1;
                ck_assert(r == 0 || r == -ENOMEM);
        } while (r < 0);
        ck_assert_int_gt(n, 5);

        n = 0;
        do {
                memory_left = n++;
                r = tape_thaw(tape, &domain, &local, 1);
                memory_left = -1;
                ck_assert(r == 0 || r == -ENOMEM);
                if (r < 0)
                        ck_assert_int_eq(count_fds(), n_fds);
        } while (r < 0);
        ck_assert_int_gt(n, 50);
        tape_free(tape);
        site_replace(&rich.site, domain, local);
        site_refreeze(&rich.site);
        site_start(&rich.site);
        rich_finish(&rich);
}
END_TEST

/* what is refused */

/* the records that damages name; p is a pipe's end, s a socket that no structure names */
struct parts {
        struct hosted_frozen_domain *domain;
        struct bus1_frozen_peer *peers[4];
        struct hosted_frozen_served *served[3];
        struct hosted_frozen_local *local;
        struct hosted_frozen_payload *payloads[2];
        struct tape *tape;
        int p;
        int s;
};

#define FDS(payload) ((int *)(payload)->fds)

/* Move the first record of a kind to the place of the first one of another kind. */
static void move(struct tape *tape, enum tape_kind what, enum tape_kind place) {
        struct tape_record *from = tape_find(tape, what, 0), *to = tape_find(tape, place, 0);
        struct tape_record record = *from;

        if (from < to)
                memmove(from, from + 1, (size_t)((u8 *)to - (u8 *)from));
        else
                memmove(to + 1, to, (size_t)((u8 *)from - (u8 *)to));
        *to = record;
}

/* clang-format off */
#define DAMAGES                                                          \
        D(++x->domain->n_served)                                         \
        D(--x->domain->n_served)                                         \
        D(++x->domain->n_locals)                                         \
        D(--x->domain->n_locals)                                         \
        D(x->domain->last_served = x->served[2]->id - 1)                 \
        D(x->domain->last_served = UINT64_MAX)                           \
        D(++x->domain->core.n_peers)                                     \
        D(--x->domain->core.n_peers)                                     \
        D(++x->domain->core.n_nodes)                                     \
        D(++x->domain->core.n_handles)                                   \
        D(++x->domain->core.n_payloads)                                  \
        D(++x->domain->core.n_messages)                                  \
        D(++x->domain->core.n_notifications)                             \
        D(x->domain->core.last_peer = 1)                                 \
        D(x->served[0]->peer = 0)                                        \
        D(x->served[0]->peer = 1000)                                     \
        D(x->served[0]->peer = x->served[1]->peer)                       \
        D(x->served[0]->peer = x->local->peer)                           \
        D(x->served[0]->id = 0)                                          \
        D(x->served[1]->id = x->served[0]->id)                           \
        D(x->served[0]->id = x->served[1]->id + 1)                       \
        D(x->served[2]->id = x->domain->last_served + 1)                 \
        D(x->served[1]->cookie = x->served[0]->cookie)                   \
        D(x->served[0]->fd = -1)                                         \
        D(x->served[0]->fd = INT32_MIN)                                  \
        D(x->served[0]->fd = 1000000)                                    \
        D(x->served[0]->fd = x->p)                                       \
        D(x->served[0]->fd = x->s)                                       \
        D(x->served[0]->fd = x->served[1]->fd)                           \
        D(x->served[0]->fd = x->served[0]->bell_fd)                      \
        D(x->served[0]->bell_fd = -2)                                    \
        D(x->served[0]->bell_fd = 1000000)                               \
        D(x->served[0]->bell_fd = x->p)                                  \
        D(x->served[0]->bell_fd = x->served[0]->fd)                      \
        D(x->served[0]->bell_fd = x->served[1]->bell_fd)                 \
        D(x->served[0]->rung = false)                                    \
        D(x->served[1]->reading = true)                                  \
        D(x->served[0]->reading = true)                                  \
        D(x->local->peer = 0)                                            \
        D(x->local->peer = x->served[0]->peer)                           \
        D(x->payloads[0]->n_fds = BUS1_MAX_FILES + 1)                    \
        D(x->payloads[0]->n_data = BUS1_MAX_DATA + 1)                    \
        D(FDS(x->payloads[0])[0] = -1)                                   \
        D(FDS(x->payloads[0])[0] = 1000000)                              \
        D(FDS(x->payloads[0])[0] = FDS(x->payloads[0])[1])               \
        D(FDS(x->payloads[0])[0] = FDS(x->payloads[1])[0])               \
        D(FDS(x->payloads[0])[0] = x->served[0]->fd)                     \
        D(FDS(x->payloads[0])[0] = x->served[0]->bell_fd)                \
        D(FDS(x->payloads[0])[0] = socket_of_client)                     \
        D(x->peers[0]->disconnected = true)                              \
        D(x->peers[1]->clock = 2)                                        \
        D(x->peers[1]->uid = 77; x->peers[1]->number = x->peers[0]->number) \
        D(move(x->tape, TAPE_PEER, TAPE_SERVED))                         \
        D(move(x->tape, TAPE_SERVED, TAPE_PEER))                         \
        D(move(x->tape, TAPE_SERVED, TAPE_LOCAL))                        \
        D(move(x->tape, TAPE_SERVED, TAPE_NODE))                         \
        D(move(x->tape, TAPE_LOCAL, TAPE_SERVED))                        \
        D(move(x->tape, TAPE_LOCAL, TAPE_NODE))                          \
        D(move(x->tape, TAPE_NODE, TAPE_PEER))                           \
        D(move(x->tape, TAPE_NODE, TAPE_HANDLE))                         \
        D(move(x->tape, TAPE_HANDLE, TAPE_NODE))                         \
        D(move(x->tape, TAPE_PAYLOAD, TAPE_HANDLE))                      \
        D(move(x->tape, TAPE_MESSAGE, TAPE_PAYLOAD))                     \
        D(move(x->tape, TAPE_NOTIFICATION, TAPE_MESSAGE))
/* clang-format on */

/* the client's end of a served peer's socket, which messages cannot carry */
static int socket_of_client;

static const char *const damage_texts[] = {
#define D(...) #__VA_ARGS__,
        DAMAGES
#undef D
};

static void damage(struct parts *x, size_t i) {
        size_t n = 0;

#define D(...)               \
        if (n++ == i) {      \
                __VA_ARGS__; \
        }
        DAMAGES
#undef D
}

static struct parts parts_of(struct tape *tape) {
        struct parts parts = {.domain = &tape->domain, .tape = tape};

        for (size_t i = 0; i < 4; i++)
                parts.peers[i] = &tape_find(tape, TAPE_PEER, i)->peer;
        for (size_t i = 0; i < 3; i++)
                parts.served[i] = &tape_find(tape, TAPE_SERVED, i)->served;
        parts.local = &tape_find(tape, TAPE_LOCAL, 0)->local;
        for (size_t i = 0; i < 2; i++)
                parts.payloads[i] = &tape_find(tape, TAPE_PAYLOAD, i)->payload;
        return parts;
}

static void expect_refused(const struct tape *tape, size_t n_clients, const char *text) {
        struct bus1_client *locals[2];
        struct bus1_domain *domain;
        int n_fds = count_fds(), r;

        r = tape_thaw(tape, &domain, locals, n_clients);
        if (r != -EBADMSG)
                ck_abort_msg("%d: %s", r, text);
        ck_assert_int_eq(count_fds(), n_fds);
}

/*
 * Every damage is refused, and nobody notices: the domain that was frozen is thawed afterwards, and
 * its clients go on.
 */
START_TEST(what_is_damaged_is_refused_without_an_effect) {
        struct rich rich;
        struct tape *tape;
        int pipe_fds[2], stream[2];
        uint64_t token;

        rich_init(&rich);
        ck_assert_int_eq(pipe(pipe_fds), 0);
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, stream), 0);
        ck_assert_int_eq(
                bus1_domain_serve_peer(rich.site.domain, 1000, 0, 0, &socket_of_client, &token), 0);
        for (size_t i = 0; i < sizeof(damage_texts) / sizeof(damage_texts[0]); i++) {
                struct parts parts;

                ck_assert_int_eq(tape_record(rich.site.domain, &rich.site.local, 1, &tape), 0);
                parts = parts_of(tape);
                parts.p = pipe_fds[0];
                parts.s = stream[0];
                damage(&parts, i);
                expect_refused(tape, 1, damage_texts[i]);
                tape_free(tape);
        }

        ck_assert_int_eq(tape_record(rich.site.domain, &rich.site.local, 1, &tape), 0);
        expect_refused(tape, 0, "a client is left over");
        expect_refused(tape, 2, "a client is missing");
        tape_free(tape);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        close(stream[0]);
        close(stream[1]);
        site_refreeze(&rich.site);
        site_start(&rich.site);
        close(socket_of_client);
        rich_finish(&rich);
}
END_TEST

/* Every record is left out, and doubled. */
START_TEST(records_cannot_be_left_out_or_doubled) {
        struct tape_record record;
        struct rich rich;
        struct tape *tape;

        rich_init(&rich);
        ck_assert_int_eq(tape_record(rich.site.domain, &rich.site.local, 1, &tape), 0);
        for (size_t i = 0; i < tape->n; i++) {
                struct tape_record *place = &tape->records[i];
                size_t rest = (tape->n - i - 1) * sizeof(record);

                record = *place;
                memmove(place, place + 1, rest);
                --tape->n;
                expect_refused(tape, 1, "a record is missing");
                memmove(place + 1, place, rest);
                *place = record;
                ++tape->n;

                memmove(place + 1, place, rest + sizeof(record));
                ++tape->n;
                expect_refused(tape, 1, "a record is doubled");
                memmove(place, place + 1, rest + sizeof(record));
                --tape->n;
        }
        for (size_t n = tape->n; n > 0; n--) {
                size_t all = tape->n;

                tape->n = n - 1;
                expect_refused(tape, 1, "the end is missing");
                tape->n = all;
        }
        tape_free(tape);
        site_refreeze(&rich.site);
        site_start(&rich.site);
        rich_finish(&rich);
}
END_TEST

START_TEST(a_client_that_waits_is_told) {
        struct bus1_client *local;
        struct bus1_domain *domain;
        struct site site;
        struct tape *tape;
        uint64_t node, handle;

        site_init(&site, 0);
        ck_assert_int_eq(bus1_client_create_node(site.local, 0, &node, &handle), 0);
        ck_assert_int_eq(send_text(site.local, handle, 4), 0);
        site_stop(&site);
        ck_assert_int_eq(tape_record(site.domain, &site.local, 1, &tape), 0);
        tape_find(tape, TAPE_LOCAL, 0)->local.ready = false;
        expect_refused(tape, 1, "the client would not be woken");
        tape_find(tape, TAPE_LOCAL, 0)->local.ready = true;
        ck_assert_int_eq(tape_thaw(tape, &domain, &local, 1), 0);
        tape_free(tape);
        site_replace(&site, domain, local);
        site_start(&site);
        expect(site.local, node, 4, 0);
        site_deinit(&site);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("hosted-thaw");
        TCase *tcase = tcase_create("thaw");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 300);
        tcase_add_test(tcase, a_saver_may_fail);
        tcase_add_test(tcase, every_allocation_may_fail);
        tcase_add_test(tcase, what_is_damaged_is_refused_without_an_effect);
        tcase_add_test(tcase, records_cannot_be_left_out_or_doubled);
        tcase_add_test(tcase, a_client_that_waits_is_told);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
