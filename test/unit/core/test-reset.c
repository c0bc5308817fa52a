/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Disconnect and reset: a peer loses everything
 */

#include "commit.h"
#include "core-test.h"
#include "message.h"
#include "node.h"
#include "peer.h"

#define A world.peers[0]
#define B world.peers[1]
#define C world.peers[2]

START_TEST(disconnected_peer_refuses_every_command) {
        struct world world = world_new(2);
        struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}, dst;
        struct bus1_cmd_query query = {};
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(bus1_peer_disconnect(A), 0);
        ck_assert_int_eq(bus1_peer_disconnect(A), -ESHUTDOWN);
        ck_assert_int_eq(bus1_peer_reset(A), -ESHUTDOWN);
        ck_assert_int_eq(try_release(A, node), -ESHUTDOWN);
        ck_assert_int_eq(try_send(A, &node, 1, "x", NULL, 0), -ESHUTDOWN);
        ck_assert_int_eq(test_recv(A).r, -ESHUTDOWN);
        ck_assert_int_eq(bus1_peer_query(A, &query), -ESHUTDOWN);
        ck_assert_int_eq(bus1_peer_transfer(A, B, &src, &dst, 1), -ESHUTDOWN);
        ck_assert_int_eq(bus1_peer_transfer(B, A, &src, &dst, 1), -ESHUTDOWN);
        ck_assert_uint_eq(bus1_peer_poll(A), BUS1_POLL_HANGUP);
        expect_node_release(B, handle);
        world_free(&world);
}
END_TEST

START_TEST(reset_releases_everything_in_one_transaction) {
        struct world world = world_new(3);
        u64 nodes[3], handles[3], foreign_node, foreign, last_node, last;

        for (unsigned i = 0; i < 3; i++)
                create(A, B, 0, &nodes[i], &handles[i]);
        create(C, A, 0, &foreign_node, &foreign);
        create(C, A, 0, &last_node, &last);
        copy(A, B, foreign);

        ck_assert_int_eq(bus1_peer_reset(A), 0);
        for (unsigned i = 0; i < 3; i++)
                expect_node_release(B, handles[i]);
        expect_handle_release(C, last_node);
        expect_nothing(A);
        expect_nothing(B);
        expect_nothing(C);
        ck_assert_uint_eq(query(A).n_nodes, 0);
        ck_assert_uint_eq(query(A).n_handles, 0);
        for (unsigned i = 0; i < 3; i++)
                ck_assert_int_eq(try_release(A, nodes[i]), -EBADRQC);
        ck_assert_int_eq(try_release(A, foreign), -EBADRQC);
        world_free(&world);
}
END_TEST

START_TEST(reset_drops_what_is_queued_and_what_it_carries) {
        struct world world = world_new(3);
        u64 node, handle, carried_node, carried, lost_node, lost;

        create(A, B, 0, &node, &handle);
        create(C, B, 0, &carried_node, &carried);
        create(C, A, 0, &lost_node, &lost);
        send_text(B, handle, "text");
        send_handle(B, handle, carried);
        ck_assert_int_eq(try_release(B, carried), 0);
        ck_assert_int_eq(try_release(C, lost_node), 0);
        ck_assert_uint_eq(query(A).n_messages, 3);

        ck_assert_int_eq(bus1_peer_reset(A), 0);
        ck_assert_uint_eq(bus1_peer_poll(A), 0);
        ck_assert_uint_eq(query(A).n_messages, 0);
        ck_assert_uint_eq(query(A).n_bytes, 0);
        expect_nothing(A);
        expect_handle_release(C, carried_node);
        expect_node_release(B, handle);
        world_free(&world);
}
END_TEST

START_TEST(peer_is_used_again_after_a_reset_with_new_ids) {
        struct world world = world_new(2);
        u64 node, handle, again, handle_again;

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        create(A, B, 0, &again, &handle_again);
        ck_assert_uint_gt(again, node);
        send_text(B, handle_again, "hello");
        expect_node_release(B, handle);
        expect_text(A, again, "hello");
        expect_nothing(A);
        ck_assert_int_eq(try_release(A, node), -EBADRQC);
        world_free(&world);
}
END_TEST

START_TEST(reset_is_behind_what_was_sent_before) {
        struct world world = world_new(2);
        u64 a_node, to_a, b_node, to_b;

        create(A, B, 0, &a_node, &to_a);
        create(B, A, 0, &b_node, &to_b);
        send_text(A, to_b, "goodbye");
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        expect_text(B, b_node, "goodbye");
        expect_node_release(B, to_a);
        expect_handle_release(B, b_node);
        expect_nothing(B);
        world_free(&world);
}
END_TEST

/* A reset between two steps of a transaction of another peer. */
START_TEST(message_under_way_to_a_peer_that_is_reset_is_not_received) {
        struct world world = world_new(2);
        struct bus1_payload *payload = bus1_payload_new(0, 0);
        struct bus1_queue_entry *entry;
        struct bus1_node *nodes[1];
        struct bus1_staging staging;
        struct bus1_recv recv;
        LIST_HEAD(entries);
        u64 timestamp, node, handle, carried_node, carried;

        create(A, B, 0, &node, &handle);
        create(B, B, 0, &carried_node, &carried);
        mutex_lock(&B->lock);
        nodes[0] = bus1_peer_find_handle(B, carried)->node;
        entry = &bus1_delivery_new(B, bus1_peer_find_handle(B, handle)->node, payload, nodes, 1)
                         ->entry;
        bus1_delivery_link(bus1_delivery_from_entry(entry));
        mutex_unlock(&B->lock);
        bus1_payload_unref(payload);
        ck_assert_int_eq(try_release(B, carried), 0);

        list_add_tail(&entry->link, &entries);
        bus1_staging_init(&staging, B->number, &entries);
        timestamp = bus1_queue_stage(&A->queue, entry, &staging);
        send_text(B, handle, "behind it");
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        bus1_staging_decide(&staging, timestamp);
        ck_assert(bus1_queue_commit(&A->queue, entry, &staging));

        /* Only a transaction that was under way makes a queue readable with nothing to receive. */
        ck_assert_uint_eq(bus1_peer_poll(A), BUS1_POLL_READABLE);
        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), -EAGAIN);
        expect_nothing(A);
        ck_assert_uint_eq(query(A).n_messages, 0);
        expect_node_release(B, handle);
        expect_handle_release(B, carried_node);
        world_free(&world);
}
END_TEST

START_TEST(reset_ends_oneshot_nodes_whose_message_waits) {
        struct world world = world_new(2);
        u64 node, handle;

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        send_text(B, handle, "reply");
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        expect_nothing(A);
        expect_nothing(B);
        ck_assert_uint_eq(query(A).n_nodes, 0);
        world_free(&world);
}
END_TEST

START_TEST(reset_ends_handles_to_self) {
        struct world world = world_new(1);
        u64 node, handle;

        create(A, A, 0, &node, &handle);
        send_handle(A, handle, handle);
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        expect_nothing(A);
        ck_assert_uint_eq(query(A).n_handles, 0);
        ck_assert_uint_eq(query(A).n_messages, 0);
        world_free(&world);
}
END_TEST

START_TEST(reset_frees_ids_that_a_look_at_a_message_gave) {
        struct world world = world_new(2);
        struct bus1_object *object;
        struct bus1_recv recv;
        u64 node, handle, carried_node, carried;

        create(A, B, 0, &node, &handle);
        create(B, B, 0, &carried_node, &carried);
        send_handle(B, handle, carried);
        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
        ck_assert_uint_ne(bus1_recv_transfer(&recv, 0).id, BUS1_INVALID);
        bus1_peer_recv_abort(&recv);
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        object = bus1_map_first(&A->objects);
        ck_assert_ptr_null(object);
        expect_node_release(B, handle);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("reset");
        TCase *tcase = tcase_create("reset");

        tcase_add_test(tcase, disconnected_peer_refuses_every_command);
        tcase_add_test(tcase, reset_releases_everything_in_one_transaction);
        tcase_add_test(tcase, reset_drops_what_is_queued_and_what_it_carries);
        tcase_add_test(tcase, peer_is_used_again_after_a_reset_with_new_ids);
        tcase_add_test(tcase, reset_is_behind_what_was_sent_before);
        tcase_add_test(tcase, message_under_way_to_a_peer_that_is_reset_is_not_received);
        tcase_add_test(tcase, reset_ends_oneshot_nodes_whose_message_waits);
        tcase_add_test(tcase, reset_ends_handles_to_self);
        tcase_add_test(tcase, reset_frees_ids_that_a_look_at_a_message_gave);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
