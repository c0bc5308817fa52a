/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sends with BUS1_SEND_FLAG_CONTINUE, which continue when one destination fails
 */

#include "core-test.h"
#include <string.h>

#define A world.peers[0]
#define B world.peers[1]
#define C world.peers[2]

static int send_on(struct bus1_peer *peer, const u64 *destinations, s32 *errors, size_t n,
                   struct bus1_transfer *transfers, size_t n_transfers, size_t n_data) {
        struct bus1_payload *payload = bus1_payload_new(n_data, 0);
        int r;

        ck_assert(!IS_ERR(payload));
        memset(payload->data, 'x', n_data);
        r = bus1_peer_send(peer, &(struct bus1_send){
                                         .flags = BUS1_SEND_FLAG_CONTINUE,
                                         .destinations = destinations,
                                         .n_destinations = n,
                                         .errors = errors,
                                         .transfers = transfers,
                                         .n_transfers = n_transfers,
                                         .payload = payload,
                                 });
        bus1_payload_unref(payload);
        return r;
}

START_TEST(unknown_flags_are_refused) {
        struct world world = world_new(1);
        struct bus1_payload *payload = bus1_payload_new(0, 0);
        u64 node, handle;

        create(A, A, 0, &node, &handle);
        ck_assert_int_eq(bus1_peer_send(A,
                                        &(struct bus1_send){
                                                .flags = 0x80,
                                                .destinations = &handle,
                                                .n_destinations = 1,
                                                .payload = payload,
                                        }),
                         -EINVAL);
        bus1_payload_unref(payload);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(node_that_is_gone_is_reported_and_the_rest_delivered) {
        struct world world = world_new(3);
        u64 gone_node, gone, node, handle;
        s32 errors[3] = {1, 1, 1};

        create(A, C, 0, &gone_node, &gone);
        create(B, C, 0, &node, &handle);
        ck_assert_int_eq(try_release(A, gone_node), 0);
        ck_assert_int_eq(send_on(C, (u64[]){handle, gone, handle}, errors, 3, NULL, 0, 1), 0);
        ck_assert_int_eq(errors[0], 0);
        ck_assert_int_eq(errors[1], -EHOSTUNREACH);
        ck_assert_int_eq(errors[2], 0);
        expect_text(B, node, "x");
        expect_text(B, node, "x");
        expect_nothing(A);
        expect_node_release(C, gone);
        world_free(&world);
}
END_TEST

START_TEST(full_receiver_is_reported_and_the_rest_delivered) {
        struct bus1_limits limits = {.max[BUS1_RESOURCE_BYTES] = 40000};
        struct world world = world_new_limited(0, &limits);
        u64 full_node, full, node, handle;
        struct bus1_transfer created = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        s32 errors[2];
        unsigned n = 0;

        world_add(&world, 1);
        world_add(&world, 2);
        world_add(&world, 3);
        create(A, C, 0, &full_node, &full);
        create(B, C, 0, &node, &handle);
        while (send_on(C, &full, errors, 1, NULL, 0, 100) == 0 && errors[0] == 0)
                ++n;
        ck_assert_int_eq(errors[0], -EDQUOT);
        ck_assert_uint_gt(n, 0);

        /* without the flag no destination gets the message */
        ck_assert_int_eq(try_send(C, (u64[]){full, handle}, 2,
                                  "0123456789012345678901234567890123456789"
                                  "0123456789012345678901234567890123456789"
                                  "01234567890123456789",
                                  NULL, 0),
                         -EDQUOT);
        expect_nothing(B);
        ck_assert_int_eq(send_on(C, (u64[]){full, handle}, errors, 2, &created, 1, 100), 0);
        ck_assert_int_eq(errors[0], -EDQUOT);
        ck_assert_int_eq(errors[1], 0);
        ck_assert_uint_eq(test_recv(B).n_transfers, 1);
        ck_assert_uint_eq(query(A).n_messages, n);
        world_free(&world);
}
END_TEST

START_TEST(mistakes_of_the_sender_still_fail_the_command) {
        struct world world = world_new(2);
        struct bus1_transfer transfer = {0, 12345};
        u64 node, handle;
        s32 errors[2] = {1, 1};

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(send_on(B, (u64[]){handle, 12345}, errors, 2, NULL, 0, 1), -EBADRQC);
        ck_assert_int_eq(send_on(B, &handle, errors, 1, &transfer, 1, 1), -EBADRQC);
        ck_assert_int_eq(errors[0], 1);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(errors_may_be_nobody_s_business) {
        struct world world = world_new(2);
        u64 node, handle, gone_node, gone;

        create(A, B, 0, &node, &handle);
        create(A, B, 0, &gone_node, &gone);
        ck_assert_int_eq(try_release(A, gone_node), 0);
        ck_assert_int_eq(send_on(B, (u64[]){gone, handle}, NULL, 2, NULL, 0, 1), 0);
        expect_text(A, node, "x");
        expect_node_release(B, gone);
        world_free(&world);
}
END_TEST

START_TEST(node_created_for_nobody_is_told_to_have_no_handle) {
        struct world world = world_new(2);
        struct bus1_transfer created = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        u64 node, handle;
        s32 error = 1;

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(try_release(A, node), 0);
        ck_assert_int_eq(send_on(B, &handle, &error, 1, &created, 1, 1), 0);
        ck_assert_int_eq(error, -EHOSTUNREACH);
        expect_node_release(B, handle);
        expect_handle_release(B, created.id);
        world_free(&world);
}
END_TEST

START_TEST(oneshot_handle_ends_unless_the_receiver_is_full) {
        struct bus1_limits limits = {.max[BUS1_RESOURCE_BYTES] = 40000};
        struct world world = world_new_limited(0, &limits);
        u64 node, handle, late_node, late, late_copy;
        s32 errors[2];

        world_add(&world, 1);
        world_add(&world, 2);
        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        ck_assert_int_eq(send_on(B, &handle, errors, 1, NULL, 0, 39999), 0);
        ck_assert_int_eq(errors[0], -EDQUOT);
        ck_assert_uint_eq(query(B).n_handles, 1);
        /* if the handle of a one-shot node is listed twice, the node accepts one message */
        ck_assert_int_eq(send_on(B, (u64[]){handle, handle}, errors, 2, NULL, 0, 1), 0);
        ck_assert_int_eq(errors[0], 0);
        ck_assert_int_eq(errors[1], -EHOSTUNREACH);
        ck_assert_int_eq(try_release(B, handle), -EBADRQC);
        expect_text(A, node, "x");

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &late_node, &late);
        late_copy = copy(B, B, late);
        send_text(B, late, "first");
        ck_assert_int_eq(send_on(B, &late_copy, errors, 1, NULL, 0, 1), 0);
        ck_assert_int_eq(errors[0], -EHOSTUNREACH);
        expect_text(A, late_node, "first");
        expect_nothing(A);
        expect_nothing(B);
        ck_assert_uint_eq(query(B).n_handles, 0);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("continue");
        TCase *tcase = tcase_create("continue");

        tcase_add_test(tcase, unknown_flags_are_refused);
        tcase_add_test(tcase, node_that_is_gone_is_reported_and_the_rest_delivered);
        tcase_add_test(tcase, full_receiver_is_reported_and_the_rest_delivered);
        tcase_add_test(tcase, mistakes_of_the_sender_still_fail_the_command);
        tcase_add_test(tcase, errors_may_be_nobody_s_business);
        tcase_add_test(tcase, node_created_for_nobody_is_told_to_have_no_handle);
        tcase_add_test(tcase, oneshot_handle_ends_unless_the_receiver_is_full);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
