/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A domain that is frozen and thawed again and again, next to one that never is: whatever their
 * clients do, they get the same results
 */

#include "kernel/hosted/state.h"
#include "test/unit/hosted/client.h"
#include "test/unit/hosted/site.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define MAX_IDS 48
#define N_OPERATIONS 2000

struct twin {
        bool has_ended;
        uint64_t ids[MAX_IDS]; /* nodes and handles */
        bool is_handle[MAX_IDS];
        size_t n;
};

struct twins {
        struct site sites[2];
        struct twin twins[SITE_CLIENTS + 1]; /* the last one is the client in this process */
        uint64_t random;
        uint64_t number;
        size_t n_messages, n_handles, n_fds, n_notifications, n_large, n_refreezes;
};

static uint32_t draw(struct twins *t, uint32_t n) {
        t->random ^= t->random << 13;
        t->random ^= t->random >> 7;
        t->random ^= t->random << 17;
        return (t->random >> 11) % n;
}

static struct bus1_client *client_of(struct site *site, size_t i) {
        return i < site->n ? site->clients[i] : site->local;
}

static void add_id(struct twin *twin, uint64_t id, bool is_handle) {
        if (id == BUS1_INVALID || twin->n == MAX_IDS)
                return;
        twin->is_handle[twin->n] = is_handle;
        twin->ids[twin->n++] = id;
}

static void remove_id(struct twin *twin, uint64_t id) {
        for (size_t i = 0; i < twin->n; i++) {
                if (twin->ids[i] != id)
                        continue;
                twin->ids[i] = twin->ids[--twin->n];
                twin->is_handle[i] = twin->is_handle[twin->n];
                return;
        }
}

/* A handle of a twin, or sometimes any of its IDs, or none. */
static uint64_t draw_id(struct twins *t, struct twin *twin) {
        for (unsigned i = 0; i < 4 && twin->n > 0; i++) {
                size_t k = draw(t, (uint32_t)twin->n);

                if (twin->is_handle[k])
                        return twin->ids[k];
        }
        return twin->n > 0 ? twin->ids[0] : 99;
}

static void do_create(struct twins *t, size_t who) {
        uint64_t flags = draw(t, 3) ? 0 : BUS1_TRANSFER_FLAG_ONESHOT, nodes[2], handles[2];
        int r[2];

        for (size_t s = 0; s < 2; s++)
                r[s] = bus1_client_create_node(client_of(&t->sites[s], who), flags, &nodes[s],
                                               &handles[s]);
        ck_assert_int_eq(r[0], r[1]);
        if (r[0] < 0)
                return;
        ck_assert_uint_eq(nodes[0], nodes[1]);
        ck_assert_uint_eq(handles[0], handles[1]);
        add_id(&t->twins[who], nodes[0], false);
        add_id(&t->twins[who], handles[0], true);
}

/* Pass on a handle without a message. The client in this process can only grant handles. */
static void do_give(struct twins *t, size_t who, size_t to) {
        uint64_t id = draw_id(t, &t->twins[who]), copies[2];
        int r[2];

        if (to == t->sites[0].n)
                return;
        for (size_t s = 0; s < 2; s++) {
                struct site *site = &t->sites[s];
                struct bus1_transfer src = {.id = id}, dst = {};

                if (who < site->n) {
                        r[s] = bus1_client_transfer(site->clients[who], site->clients[to], 1, &src,
                                                    &dst);
                        copies[s] = dst.id;
                } else {
                        site_stop(site);
                        r[s] = bus1_domain_grant(site->domain, site->local, id, site->tokens[to],
                                                 &copies[s]);
                        site_start(site);
                }
        }
        ck_assert_int_eq(r[0], r[1]);
        if (r[0] < 0)
                return;
        ck_assert_uint_eq(copies[0], copies[1]);
        add_id(&t->twins[to], copies[0], true);
}

static void do_send(struct twins *t, size_t who) {
        static const size_t sizes[] = {0, 1, 10, 3000, 60000, 70000, 300000};
        uint64_t destinations[3];
        size_t n = 1 + draw(t, 3), n_transfers = draw(t, 4), n_fds = draw(t, 3);
        size_t n_data = sizes[draw(t, draw(t, 8) ? 4 : 7)];
        struct bus1_transfer transfers[2][3];
        int r[2];

        for (size_t i = 0; i < n; i++)
                destinations[i] = draw_id(t, &t->twins[who]);
        for (size_t i = 0; i < n_transfers; i++) {
                transfers[0][i] = (struct bus1_transfer){.id = draw_id(t, &t->twins[who])};
                if (draw(t, 4) == 0)
                        transfers[0][i] = (struct bus1_transfer){
                                BUS1_TRANSFER_FLAG_CREATE |
                                        (draw(t, 2) ? BUS1_TRANSFER_FLAG_ONESHOT : 0),
                                BUS1_INVALID};
                transfers[1][i] = transfers[0][i];
        }
        for (size_t s = 0; s < 2; s++)
                r[s] = send_message(client_of(&t->sites[s], who), destinations, n, transfers[s],
                                    n_transfers, n_data, t->number, n_fds);
        t->number += n_fds;
        ck_assert_int_eq(r[0], r[1]);
        for (size_t i = 0; i < n_transfers && r[0] == 0; i++) {
                ck_assert_uint_eq(transfers[0][i].id, transfers[1][i].id);
                add_id(&t->twins[who], transfers[0][i].id, false);
        }
        t->n_large += r[0] == 0 && n_data > 65536;
}

static void compare_received(struct twins *t, struct bus1_received *a, struct bus1_received *b) {
        ck_assert_mem_eq(&a->metadata, &b->metadata, sizeof(a->metadata));
        ck_assert_uint_eq(a->type, b->type);
        ck_assert_uint_eq(a->n_data, b->n_data);
        ck_assert(memcmp(a->data, b->data, a->n_data) == 0);
        ck_assert_uint_eq(a->n_transfers, b->n_transfers);
        for (size_t i = 0; i < a->n_transfers; i++)
                ck_assert_uint_eq(a->transfers[i].id, b->transfers[i].id);
        ck_assert_uint_eq(a->n_fds, b->n_fds);
        for (size_t i = 0; i < a->n_fds; i++)
                ck_assert_uint_eq(number_of(a->fds[i]), number_of(b->fds[i]));
        t->n_messages += a->type == BUS1_MESSAGE_TYPE_USER;
        t->n_notifications += a->type != BUS1_MESSAGE_TYPE_USER;
        t->n_handles += a->n_transfers;
        t->n_fds += a->n_fds;
}

static void do_receive(struct twins *t, size_t who) {
        struct bus1_received *received[2];
        int r[2];

        for (size_t s = 0; s < 2; s++)
                r[s] = bus1_client_recv_alloc(client_of(&t->sites[s], who), &received[s]);
        ck_assert_int_eq(r[0], r[1]);
        if (r[0] < 0)
                return;
        compare_received(t, received[0], received[1]);
        for (size_t i = 0; i < received[0]->n_transfers; i++)
                add_id(&t->twins[who], received[0]->transfers[i].id, true);
        if (received[0]->type != BUS1_MESSAGE_TYPE_USER)
                remove_id(&t->twins[who], received[0]->metadata.metadata.id);
        bus1_received_free(received[0]);
        bus1_received_free(received[1]);
}

/* Peek or discard. */
static void do_look(struct twins *t, size_t who, uint64_t flags) {
        struct bus1_metadata metadata[2] = {};
        struct bus1_transfer transfers[2][4] = {};
        struct bus1_message messages[2];
        uint8_t data[2][4000];
        int r[2];

        for (size_t s = 0; s < 2; s++) {
                struct iovec vec = {data[s], sizeof(data[s])};

                messages[s] = (struct bus1_message){
                        .type = BUS1_INVALID,
                        .n_transfers = 4,
                        .ptr_transfers = (uintptr_t)transfers[s],
                        .n_data = sizeof(data[s]),
                        .n_data_vecs = 1,
                        .ptr_data_vecs = (uintptr_t)&vec,
                };
                r[s] = bus1_client_recv(client_of(&t->sites[s], who), flags, &metadata[s],
                                        &messages[s]);
        }
        ck_assert_int_eq(r[0], r[1]);
        ck_assert_uint_eq(messages[0].n_data, messages[1].n_data);
        ck_assert_uint_eq(messages[0].n_transfers, messages[1].n_transfers);
        ck_assert_mem_eq(&metadata[0], &metadata[1], sizeof(metadata[0]));
        ck_assert_mem_eq(transfers[0], transfers[1], sizeof(transfers[0]));
}

static void do_release(struct twins *t, size_t who) {
        struct twin *twin = &t->twins[who];
        size_t n = 1 + draw(t, 3);
        uint64_t ids[3];
        int r[2];

        for (size_t i = 0; i < n; i++)
                ids[i] = twin->n > i ? twin->ids[draw(t, (uint32_t)twin->n)] : 99;
        for (size_t s = 0; s < 2; s++)
                r[s] = bus1_client_release(client_of(&t->sites[s], who), n, ids);
        ck_assert_int_eq(r[0], r[1]);
        for (size_t i = 0; i < n && r[0] == 0; i++)
                remove_id(twin, ids[i]);
}

/* End a client in one of several ways, or let it lose everything. */
static void do_end(struct twins *t, size_t who) {
        uint32_t how = t->twins[who].has_ended ? 2 : draw(t, 4);
        int r[2];

        t->twins[who].n = 0;
        t->twins[who].has_ended = how == 1 && who < t->sites[0].n;
        for (size_t s = 0; s < 2; s++) {
                struct site *site = &t->sites[s];
                struct bus1_client *client = client_of(site, who);

                if (how == 0 || who == site->n) {
                        r[s] = bus1_client_reset(client);
                        continue;
                }
                if (how == 1) {
                        /* It stays for a while. */
                        r[s] = bus1_client_disconnect(client);
                        continue;
                }
                if (how == 2)
                        bus1_client_free(client);
                site_stop(site);
                if (how == 3)
                        bus1_domain_revoke(site->domain, site->tokens[who]);
                while (hosted_served_find(site->domain, site->tokens[who]))
                        ck_assert_int_eq(bus1_domain_dispatch(site->domain), 0);
                site_start(site);
                if (how == 3)
                        bus1_client_free(client);
                site_serve(site, who);
                r[s] = 0;
        }
        ck_assert_int_eq(r[0], r[1]);
}

static void do_something(struct twins *t) {
        size_t n = t->sites[0].n + 1, who = draw(t, (uint32_t)n), other = draw(t, (uint32_t)n);
        uint32_t what = draw(t, 100);

        if (what < 10)
                do_create(t, who);
        else if (what < 25)
                do_give(t, who, other);
        else if (what < 55)
                do_send(t, who);
        else if (what < 80)
                do_receive(t, who);
        else if (what < 86)
                do_look(t, who, BUS1_RECV_FLAG_PEEK);
        else if (what < 89)
                do_look(t, who, BUS1_RECV_FLAG_DISCARD);
        else if (what < 95)
                do_release(t, who);
        else if (t->twins[who].has_ended || draw(t, 4) == 0)
                do_end(t, who);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(is_readable(client_of(&t->sites[0], i)),
                                 is_readable(client_of(&t->sites[1], i)));
}

START_TEST(clients_notice_nothing) {
        struct twins *t = calloc(1, sizeof(*t));
        int n_fds = count_fds();

        ck_assert_ptr_nonnull(t);
        t->random = 0x9e3779b97f4a7c15ULL * (unsigned)(_i + 1);
        site_init(&t->sites[0], SITE_CLIENTS);
        site_init(&t->sites[1], SITE_CLIENTS);
        for (unsigned i = 0; i < N_OPERATIONS; i++) {
                do_something(t);
                if (draw(t, 2))
                        continue;
                refreeze(&t->sites[1]);
                ++t->n_refreezes;
        }
        printf("%zu freezes; received: %zu messages (%zu large ones sent), %zu handles, %zu "
               "descriptors, %zu notifications\n",
               t->n_refreezes, t->n_messages, t->n_large, t->n_handles, t->n_fds,
               t->n_notifications);
        ck_assert_uint_gt(t->n_messages, 100);
        ck_assert_uint_gt(t->n_large, 2);
        ck_assert_uint_gt(t->n_handles, 20);
        ck_assert_uint_gt(t->n_fds, 50);
        ck_assert_uint_gt(t->n_notifications, 20);
        site_deinit(&t->sites[0]);
        site_deinit(&t->sites[1]);
        free(t);
        ck_assert_int_eq(count_fds(), n_fds);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("hosted-twins");
        TCase *tcase = tcase_create("twins");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 300);
        tcase_add_loop_test(tcase, clients_notice_nothing, 0, 3);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
