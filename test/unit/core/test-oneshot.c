/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One-shot nodes
 */

#include "core-test.h"

#define A world.peers[0]
#define B world.peers[1]
#define C world.peers[2]

START_TEST(send_ends_the_handle_and_receive_ends_the_node) {
        struct world world = world_new(2);
        u64 node, handle;

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        send_text(B, handle, "reply");
        ck_assert_int_eq(try_send(B, &handle, 1, "", NULL, 0), -EBADRQC);
        ck_assert_int_eq(try_release(B, handle), -EBADRQC);
        ck_assert_uint_eq(query(B).n_handles, 0);
        ck_assert_uint_eq(query(A).n_nodes, 1);
        expect_text(A, node, "reply");
        ck_assert_int_eq(try_release(A, node), -EBADRQC);
        ck_assert_uint_eq(query(A).n_nodes, 0);
        expect_nothing(A);
        expect_nothing(B);
        world_free(&world);
}
END_TEST

START_TEST(first_message_wins_and_other_holders_are_told) {
        struct world world = world_new(3);
        u64 node, handle, same, other;

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        same = copy(B, B, handle);
        other = copy(B, C, handle);
        send_text(B, handle, "first");
        send_text(C, other, "second");
        expect_text(A, node, "first");
        expect_nothing(A);
        expect_node_release(B, same);
        /* C has used its handle, so the notification about it is moot. */
        ck_assert_uint_eq(query(C).n_messages, 0);
        expect_nothing(C);
        world_free(&world);
}
END_TEST

START_TEST(handles_gone_without_a_message_notify_the_owner) {
        struct world world = world_new(3);
        u64 node, handle, other;

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        other = copy(B, C, handle);
        ck_assert_int_eq(try_release(B, handle), 0);
        expect_nothing(A);
        bus1_peer_disconnect(C);
        expect_handle_release(A, node);
        expect_nothing(A);
        (void)other;
        world_free(&world);
}
END_TEST

START_TEST(failed_send_leaves_the_handle) {
        struct world world = world_new(2);
        u64 node, handle;

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        ck_assert_int_eq(try_send(B, (u64[]){handle, 999}, 2, "", NULL, 0), -EBADRQC);
        send_text(B, handle, "still there");
        expect_text(A, node, "still there");
        world_free(&world);
}
END_TEST

START_TEST(twice_in_one_send_is_one_message) {
        struct world world = world_new(2);
        u64 node, handle, other, plain_node, plain;

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        create(A, B, 0, &plain_node, &plain);
        other = copy(B, B, handle);
        ck_assert_int_eq(try_send(B, (u64[]){handle, plain, handle, other}, 4, "x", NULL, 0), 0);
        /* The send ended the IDs of both handles, so there is no notification. */
        ck_assert_uint_eq(bus1_peer_poll(B), 0);
        expect_text(A, node, "x");
        expect_text(A, plain_node, "x");
        expect_nothing(A);
        expect_nothing(B);
        ck_assert_uint_eq(query(B).n_handles, 1);
        world_free(&world);
}
END_TEST

START_TEST(handle_in_flight_when_the_message_wins_is_told) {
        struct world world = world_new(3);
        u64 node, handle, c_node, c_handle, received;

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        create(C, B, 0, &c_node, &c_handle);
        send_handle(B, c_handle, handle);
        send_text(B, handle, "x");
        received = expect_handle(C, c_node);
        ck_assert_uint_ne(received, BUS1_INVALID);
        expect_node_release(C, received);
        expect_text(A, node, "x");
        world_free(&world);
}
END_TEST

START_TEST(send_that_carries_the_handle_it_uses_up) {
        struct world world = world_new(2);
        u64 node, handle;

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        send_handle(B, handle, handle);
        ck_assert_uint_eq(expect_handle(A, node), BUS1_INVALID);
        expect_nothing(A);
        expect_nothing(B);
        world_free(&world);
}
END_TEST

START_TEST(owner_releases_before_receiving) {
        struct world world = world_new(3);
        u64 node, handle, other;

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        other = copy(B, C, handle);
        send_text(B, handle, "x");
        ck_assert_int_eq(try_release(A, node), 0);
        expect_nothing(A);
        expect_nothing(B);
        expect_node_release(C, other);
        world_free(&world);
}
END_TEST

START_TEST(owner_disconnects) {
        struct world world = world_new(2);
        u64 node, handle, used_node, used;

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &used_node, &used);
        send_text(B, used, "x");
        bus1_peer_disconnect(A);
        send_text(B, handle, "y");
        expect_nothing(B);
        ck_assert_uint_eq(query(B).n_handles, 0);
        world_free(&world);
}
END_TEST

START_TEST(created_in_a_send_it_is_a_reply) {
        struct world world = world_new(2);
        struct bus1_transfer reply = {BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                                      BUS1_INVALID};
        struct bus1_transfer ignored = reply;
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(try_send(B, &handle, 1, "call", &reply, 1), 0);
        send_text(A, expect_handle(A, node), "answer");
        expect_text(B, reply.id, "answer");
        ck_assert_uint_eq(query(B).n_nodes, 0);

        ck_assert_int_eq(try_send(B, &handle, 1, "call", &ignored, 1), 0);
        ck_assert_int_eq(try_release(A, node), 0);
        expect_nothing(A);
        expect_node_release(B, handle);
        expect_handle_release(B, ignored.id);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("oneshot");
        TCase *tcase = tcase_create("oneshot");

        tcase_add_test(tcase, send_ends_the_handle_and_receive_ends_the_node);
        tcase_add_test(tcase, first_message_wins_and_other_holders_are_told);
        tcase_add_test(tcase, handles_gone_without_a_message_notify_the_owner);
        tcase_add_test(tcase, failed_send_leaves_the_handle);
        tcase_add_test(tcase, twice_in_one_send_is_one_message);
        tcase_add_test(tcase, handle_in_flight_when_the_message_wins_is_told);
        tcase_add_test(tcase, send_that_carries_the_handle_it_uses_up);
        tcase_add_test(tcase, owner_releases_before_receiving);
        tcase_add_test(tcase, owner_disconnects);
        tcase_add_test(tcase, created_in_a_send_it_is_a_reply);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
