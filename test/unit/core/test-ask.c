/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The core asks security modules before a peer sends to another peer or passes a handle to it; they
 * can refuse
 */

#include "core-test.h"
#include "v2016.h"

#define A world.peers[0]
#define B world.peers[1]
#define C world.peers[2]

/* the peer to which nobody may do refused_acts, and the acts of the last question about any peer */
static struct bus1_peer *refused;
static unsigned int refused_acts, asked_acts;
static size_t n_asked;

static int ask(struct bus1_peer *peer, unsigned int acts) {
        n_asked++;
        asked_acts = acts;
        return peer == refused && acts & refused_acts ? -EACCES : 0;
}

static struct world world_asking(size_t n) {
        struct world world = world_new(n);

        bus1_accounts_set_ask(world.accounts, ask);
        refused = NULL;
        refused_acts = BUS1_ACT_SEND | BUS1_ACT_TRANSFER;
        n_asked = 0;
        return world;
}

static int send_on(struct bus1_peer *peer, const u64 *destinations, s32 *errors, size_t n) {
        struct bus1_payload *payload = bus1_payload_new(0, 0);
        int r;

        ck_assert(!IS_ERR(payload));
        r = bus1_peer_send(peer, &(struct bus1_send){
                                         .flags = BUS1_SEND_FLAG_CONTINUE,
                                         .destinations = destinations,
                                         .n_destinations = n,
                                         .errors = errors,
                                         .payload = payload,
                                 });
        bus1_payload_unref(payload);
        return r;
}

START_TEST(send_is_refused_as_a_whole) {
        struct world world = world_asking(3);
        u64 node, destinations[2];

        create(A, C, 0, &node, &destinations[0]);
        create(B, C, 0, &node, &destinations[1]);
        refused = B;
        ck_assert_int_eq(try_send(C, destinations, 2, "text", NULL, 0), -EACCES);
        ck_assert_uint_eq(asked_acts, BUS1_ACT_SEND);
        expect_nothing(A);
        expect_nothing(B);
        ck_assert_int_eq(try_send(C, destinations, 1, "text", NULL, 0), 0);
        world_free(&world);
}
END_TEST

START_TEST(send_continues_without_those_that_are_refused) {
        struct world world = world_asking(3);
        u64 nodes[2], destinations[2];
        s32 errors[2] = {1, 1};

        create(A, C, 0, &nodes[0], &destinations[0]);
        create(B, C, BUS1_TRANSFER_FLAG_ONESHOT, &nodes[1], &destinations[1]);
        refused = B;
        ck_assert_int_eq(send_on(C, destinations, errors, 2), 0);
        ck_assert_int_eq(errors[0], 0);
        ck_assert_int_eq(errors[1], -EACCES);
        expect_text(A, nodes[0], "");
        expect_nothing(B);
        /* nothing was sent through the handle of the one-shot node, so C still holds the handle */
        refused = NULL;
        ck_assert_int_eq(send_on(C, &destinations[1], errors, 1), 0);
        expect_text(B, nodes[1], "");
        world_free(&world);
}
END_TEST

START_TEST(handles_are_asked_about_too) {
        struct world world = world_asking(3);
        struct bus1_transfer src, dst;
        u64 node, handle;

        create(B, C, 0, &node, &handle);
        refused = B;
        refused_acts = BUS1_ACT_TRANSFER;
        ck_assert_int_eq(try_send(C, &handle, 1, "text", NULL, 0), 0);
        src = (struct bus1_transfer){.id = handle};
        ck_assert_int_eq(try_send(C, &handle, 1, "text", &src, 1), -EACCES);
        ck_assert_uint_eq(asked_acts, BUS1_ACT_SEND | BUS1_ACT_TRANSFER);
        ck_assert_int_eq(bus1_peer_transfer(C, B, &src, &dst, 1), -EACCES);
        ck_assert_uint_eq(asked_acts, BUS1_ACT_TRANSFER);
        ck_assert_int_eq(bus1_peer_transfer(C, A, &src, &dst, 1), 0);
        expect_text(B, node, "text");
        expect_nothing(B);
        world_free(&world);
}
END_TEST

START_TEST(nobody_is_asked_about_the_own_peer) {
        struct world world = world_asking(1);
        struct bus1_transfer src;
        u64 node, handle;

        refused = A;
        create(A, A, 0, &node, &handle);
        src = (struct bus1_transfer){.id = handle};
        ck_assert_int_eq(try_send(A, &handle, 1, "text", &src, 1), 0);
        ck_assert_uint_eq(n_asked, 0);
        world_free(&world);
}
END_TEST

START_TEST(peers_of_2016_are_asked_as_well) {
        struct world world = world_asking(2);
        struct pool pool = pool_new();
        struct bus1_payload *payload = bus1_payload_new(0, 0);
        struct bus1_v2016_send send = {.n_destinations = 1, .payload = payload};
        u64 node, handle, id;
        s32 error = 1;

        ck_assert_int_eq(bus1_v2016_enable(A, &pool_memory, &pool), 0);
        create(B, B, 0, &node, &handle);
        ck_assert_int_eq(bus1_peer_transfer(B, A, &(struct bus1_transfer){.id = handle},
                                            &(struct bus1_transfer){}, 1),
                         0);
        /* the ID of the handle of A: the first one that the core chooses for a peer of 2016 */
        id = 7;
        send.destinations = &id;
        refused = B;
        ck_assert_int_eq(bus1_v2016_send(A, &send), -EACCES);
        send.flags = BUS1_2016_SEND_CONTINUE;
        send.errors = &error;
        ck_assert_int_eq(bus1_v2016_send(A, &send), 0);
        ck_assert_int_eq(error, -EACCES);
        ck_assert_int_eq(bus1_v2016_handle_transfer(A, B, id, &handle), -EACCES);
        expect_nothing(B);
        bus1_payload_unref(payload);
        world_free(&world);
        free(pool.memory);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ask");
        TCase *tcase = tcase_create("ask");

        tcase_add_test(tcase, send_is_refused_as_a_whole);
        tcase_add_test(tcase, send_continues_without_those_that_are_refused);
        tcase_add_test(tcase, handles_are_asked_about_too);
        tcase_add_test(tcase, nobody_is_asked_about_the_own_peer);
        tcase_add_test(tcase, peers_of_2016_are_asked_as_well);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
