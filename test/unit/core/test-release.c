/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Transfer, release, and the two notifications
 */

#include "core-test.h"
#include "node.h"
#include "peer.h"

#define A world.peers[0]
#define B world.peers[1]
#define C world.peers[2]

START_TEST(every_transfer_makes_a_new_handle) {
        struct world world = world_new(2);
        u64 node, handle, other, again;

        create(A, B, 0, &node, &handle);
        again = copy(B, B, handle);
        other = copy(B, A, handle);
        ck_assert_uint_ne(handle, again);
        ck_assert_uint_ne(node, other);
        ck_assert_uint_eq(query(A).n_nodes, 1);
        ck_assert_uint_eq(query(A).n_handles, 1);
        ck_assert_uint_eq(query(B).n_handles, 2);
        send_text(B, again, "one");
        send_text(A, other, "two");
        expect_text(A, node, "one");
        expect_text(A, node, "two");
        world_free(&world);
}
END_TEST

START_TEST(ids_are_never_reused) {
        struct world world = world_new(1);
        u64 node, handle, last = 0;

        for (unsigned i = 0; i < 1000; i++) {
                create(A, A, 0, &node, &handle);
                ck_assert_uint_gt(node, last);
                ck_assert_uint_gt(handle, last);
                last = node > handle ? node : handle;
                ck_assert_int_eq(try_release(A, node), 0);
                ck_assert_int_eq(try_release(A, handle), 0);
                ck_assert_int_eq(try_release(A, handle), -EBADRQC);
        }
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(transfer_refuses_wrong_arguments_and_has_no_effect) {
        struct world world = world_new(2);
        u64 node, handle;
        struct bus1_transfer dst[2];

        create(A, B, 0, &node, &handle);
        {
                struct bus1_transfer src[] = {{0x80, handle}};
                ck_assert_int_eq(bus1_peer_transfer(B, A, src, dst, 1), -EINVAL);
        }
        {
                struct bus1_transfer src[] = {{BUS1_TRANSFER_FLAG_ONESHOT, handle}};
                ck_assert_int_eq(bus1_peer_transfer(B, A, src, dst, 1), -EINVAL);
        }
        {
                struct bus1_transfer src[] = {{BUS1_TRANSFER_FLAG_CREATE, 7}};
                ck_assert_int_eq(bus1_peer_transfer(B, A, src, dst, 1), -EINVAL);
        }
        {
                /* an ID of a node is not a handle */
                struct bus1_transfer src[] = {{0, node}};
                ck_assert_int_eq(bus1_peer_transfer(A, B, src, dst, 1), -EBADRQC);
        }
        {
                /* the valid transfers before an invalid one are undone */
                struct bus1_transfer src[] = {{BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
                                              {0, 12345}};
                ck_assert_int_eq(bus1_peer_transfer(B, A, src, dst, 2), -EBADRQC);
                ck_assert_uint_eq(src[0].id, BUS1_INVALID);
        }
        {
                static struct bus1_transfer src[BUS1_MAX_TRANSFERS + 1];
                ck_assert_int_eq(bus1_peer_transfer(B, A, src, src, BUS1_MAX_TRANSFERS + 1),
                                 -EMSGSIZE);
        }
        ck_assert_uint_eq(query(A).n_nodes, 1);
        ck_assert_uint_eq(query(A).n_handles, 0);
        ck_assert_uint_eq(query(B).n_nodes, 0);
        ck_assert_uint_eq(query(B).n_handles, 1);
        expect_nothing(A);
        expect_nothing(B);
        world_free(&world);
}
END_TEST

START_TEST(last_handle_gone_notifies_owner) {
        struct world world = world_new(2);
        u64 node, handle, other;

        create(A, B, 0, &node, &handle);
        other = copy(B, B, handle);
        ck_assert_int_eq(try_release(B, handle), 0);
        expect_nothing(A);
        send_text(B, other, "last words");
        ck_assert_int_eq(try_release(B, other), 0);
        expect_text(A, node, "last words");
        expect_handle_release(A, node);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(node_release_notifies_every_holder) {
        struct world world = world_new(3);
        u64 node, handle, other, third;

        create(A, B, 0, &node, &handle);
        other = copy(B, B, handle);
        third = copy(B, C, handle);
        ck_assert_int_eq(try_release(A, node), 0);
        expect_node_release(B, handle);
        expect_node_release(B, other);
        expect_node_release(C, third);
        expect_nothing(A);
        expect_nothing(B);
        expect_nothing(C);
        world_free(&world);
}
END_TEST

START_TEST(released_handle_gets_no_notification) {
        struct world world = world_new(2);
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(try_release(A, node), 0);
        ck_assert_int_eq(try_release(B, handle), 0);
        expect_nothing(B);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(released_node_gets_no_notification_and_no_messages) {
        struct world world = world_new(2);
        u64 node, handle, carried_node, carried;

        create(A, B, 0, &node, &handle);
        create(B, B, 0, &carried_node, &carried);
        send_text(B, handle, "too late");
        send_handle(B, handle, carried);
        ck_assert_int_eq(try_release(B, carried), 0);
        ck_assert_int_eq(try_release(B, handle), 0);
        ck_assert_int_eq(try_release(A, node), 0);
        expect_nothing(A);
        ck_assert_uint_eq(query(A).n_bytes, 0);
        /* The handle that the dropped message carried was the last one. */
        expect_handle_release(B, carried_node);
        world_free(&world);
}
END_TEST

START_TEST(send_to_released_node_succeeds_and_is_discarded) {
        struct world world = world_new(2);
        u64 node, handle, mine, mine_handle;
        struct bus1_transfer transfer = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};

        create(A, B, 0, &node, &handle);
        create(B, B, 0, &mine, &mine_handle);
        ck_assert_int_eq(try_release(A, node), 0);
        /* the first send also has a living node as destination, the second one creates a node */
        ck_assert_int_eq(try_send(B, (u64[]){handle, mine_handle}, 2, "x", NULL, 0), 0);
        ck_assert_int_eq(try_send(B, &handle, 1, "x", &transfer, 1), 0);
        expect_nothing(A);
        expect_node_release(B, handle);
        expect_text(B, mine, "x");
        expect_handle_release(B, transfer.id);
        ck_assert_int_eq(try_send(B, &handle, 1, "x", NULL, 0), -EBADRQC);
        world_free(&world);
}
END_TEST

START_TEST(release_of_several_is_one_transaction) {
        struct world world = world_new(2);
        u64 nodes[3], handles[3], foreign_node, foreign;

        for (unsigned i = 0; i < 3; i++)
                create(A, B, 0, &nodes[i], &handles[i]);
        create(B, A, 0, &foreign_node, &foreign);
        ck_assert_int_eq(bus1_peer_release(A, (u64[]){nodes[0], foreign, nodes[1], nodes[2]}, 4),
                         0);
        expect_node_release(B, handles[0]);
        expect_node_release(B, handles[1]);
        expect_node_release(B, handles[2]);
        expect_handle_release(B, foreign_node);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(release_with_an_unknown_or_doubled_id_has_no_effect) {
        struct world world = world_new(2);
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(bus1_peer_release(A, (u64[]){node, 999}, 2), -EBADRQC);
        ck_assert_int_eq(bus1_peer_release(A, (u64[]){node, node}, 2), -EBADRQC);
        ck_assert_int_eq(bus1_peer_release(A, (u64[]){node + 1}, 1), -EBADRQC);
        ck_assert_int_eq(bus1_peer_release(A, (u64[]){BUS1_INVALID}, 1), -EBADRQC);
        ck_assert_int_eq(bus1_peer_release(A, NULL, 0), 0);
        expect_nothing(B);
        send_text(B, handle, "alive");
        expect_text(A, node, "alive");
        ck_assert_int_eq(try_release(A, node), 0);
        world_free(&world);
}
END_TEST

START_TEST(release_of_node_and_own_handles_is_silent) {
        struct world world = world_new(1);
        u64 node, handle, other;

        create(A, A, 0, &node, &handle);
        other = copy(A, A, handle);
        ck_assert_int_eq(bus1_peer_release(A, (u64[]){handle, node, other}, 3), 0);
        expect_nothing(A);
        ck_assert_uint_eq(query(A).n_messages, 0);
        world_free(&world);
}
END_TEST

START_TEST(handle_in_flight_counts) {
        struct world world = world_new(2);
        u64 to_b_node, to_b, node, handle, received;

        create(B, A, 0, &to_b_node, &to_b);
        create(A, A, 0, &node, &handle);
        send_handle(A, to_b, handle);
        ck_assert_int_eq(try_release(A, handle), 0);
        expect_nothing(A);
        received = expect_handle(B, to_b_node);
        ck_assert_uint_eq(received & BUS1_MANAGED, BUS1_MANAGED);
        expect_nothing(A);
        ck_assert_int_eq(try_release(B, received), 0);
        expect_handle_release(A, node);
        world_free(&world);
}
END_TEST

START_TEST(message_before_notification_delivers_both) {
        struct world world = world_new(2);
        u64 to_b_node, to_b, node, handle, received;

        create(B, A, 0, &to_b_node, &to_b);
        create(A, A, 0, &node, &handle);
        send_handle(A, to_b, handle);
        ck_assert_int_eq(try_release(A, node), 0);
        received = expect_handle(B, to_b_node);
        ck_assert_uint_ne(received, BUS1_INVALID);
        expect_node_release(B, received);
        expect_nothing(B);
        world_free(&world);
}
END_TEST

START_TEST(notification_before_message_delivers_invalid) {
        struct world world = world_new(2);
        u64 to_b_node, to_b, node, handle;
        struct bus1_delivery *delivery;

        create(B, A, 0, &to_b_node, &to_b);
        create(A, A, 0, &node, &handle);

        delivery = send_handle_begin(A, to_b, handle);
        ck_assert_int_eq(try_release(A, node), 0);
        ck_assert_uint_eq(query(B).n_messages, 1);
        send_handle_end(A, delivery);

        ck_assert_uint_eq(expect_handle(B, to_b_node), BUS1_INVALID);
        expect_nothing(B);
        world_free(&world);
}
END_TEST

START_TEST(message_with_handle_of_a_node_that_is_gone_delivers_invalid) {
        struct world world = world_new(3);
        u64 to_b_node, to_b, node, handle;

        create(B, A, 0, &to_b_node, &to_b);
        create(C, A, 0, &node, &handle);
        ck_assert_int_eq(try_release(C, node), 0);
        send_handle(A, to_b, handle);
        ck_assert_uint_eq(expect_handle(B, to_b_node), BUS1_INVALID);
        expect_nothing(B);
        expect_node_release(A, handle);
        world_free(&world);
}
END_TEST

START_TEST(transfer_of_handle_of_a_node_that_is_gone_is_notified) {
        struct world world = world_new(3);
        u64 node, handle, other;

        create(C, A, 0, &node, &handle);
        ck_assert_int_eq(try_release(C, node), 0);
        other = copy(A, B, handle);
        expect_node_release(B, other);
        expect_node_release(A, handle);
        world_free(&world);
}
END_TEST

START_TEST(disconnect_releases_everything) {
        struct world world = world_new(3);
        u64 node, handle, b_node, b_handle, c_node, c_handle, in_flight_node, in_flight;
        struct bus1_recv recv;

        create(A, B, 0, &node, &handle);
        create(B, A, 0, &b_node, &b_handle);
        create(C, A, 0, &c_node, &c_handle);
        create(B, B, 0, &in_flight_node, &in_flight);
        send_handle(B, handle, in_flight);
        ck_assert_int_eq(try_release(B, in_flight), 0);

        bus1_peer_disconnect(A);
        bus1_peer_disconnect(A);
        expect_node_release(B, handle);
        expect_handle_release(B, b_node);
        expect_handle_release(B, in_flight_node);
        expect_handle_release(C, c_node);
        expect_nothing(B);
        expect_nothing(C);

        ck_assert_uint_eq(bus1_peer_poll(A), BUS1_POLL_HANGUP);
        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), -ESHUTDOWN);
        ck_assert_int_eq(try_release(A, node), -ESHUTDOWN);
        ck_assert_int_eq(try_send(A, &b_handle, 1, "", NULL, 0), -ESHUTDOWN);
        ck_assert_int_eq(bus1_peer_query(A, &(struct bus1_cmd_query){}), -ESHUTDOWN);
        ck_assert_int_eq(bus1_peer_transfer(B, A, NULL, NULL, 0), -ESHUTDOWN);
        ck_assert_int_eq(bus1_peer_transfer(A, B, NULL, NULL, 0), -ESHUTDOWN);
        world_free(&world);
}
END_TEST

START_TEST(chains_of_messages_are_discarded_without_recursion) {
        struct world world = world_new(1);
        u64 node, handle, next;

        /* each message carries the only handle to the node to which the next message is sent */
        create(A, A, 0, &node, &handle);
        for (unsigned i = 0; i < 100000; i++) {
                create(A, A, 0, &node, &next);
                send_handle(A, handle, next);
                ck_assert_int_eq(try_release(A, handle), 0);
                handle = next;
        }
        /* the first node has lost its last handle, and its owner is notified */
        ck_assert_uint_eq(query(A).n_messages, 100001);
        bus1_peer_disconnect(A);
        world_free(&world);
}
END_TEST

START_TEST(a_hundred_thousand_handles_are_released_at_once) {
        struct world world = world_new(2);
        static struct bus1_transfer src[1000], dst[1000];
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        for (unsigned n = 0; n < 100; n++) {
                for (unsigned i = 0; i < 1000; i++)
                        src[i] = (struct bus1_transfer){0, handle};
                ck_assert_int_eq(bus1_peer_transfer(B, B, src, dst, 1000), 0);
        }
        ck_assert_int_eq(try_release(A, node), 0);
        for (unsigned n = 0; n < 100001; n++)
                ck_assert_uint_eq(test_recv(B).type, BUS1_MESSAGE_TYPE_NODE_RELEASE);
        expect_nothing(B);
        ck_assert_uint_eq(query(B).n_handles, 0);
        world_free(&world);
}
END_TEST

static void expect_readable(struct bus1_peer *peer, unsigned flags) {
        ck_assert_uint_eq(bus1_peer_poll(peer), flags);
}

START_TEST(queue_with_only_moot_entries_is_not_readable) {
        struct world world = world_new(2);
        u64 node, handle, other_node, other, carried_node, carried;

        /* the owner releases the node that all queued messages are for */
        create(A, B, 0, &node, &handle);
        send_text(B, handle, "one");
        send_text(B, handle, "two");
        expect_readable(A, BUS1_POLL_READABLE);
        ck_assert_int_eq(try_release(A, node), 0);
        expect_readable(A, 0);
        ck_assert_uint_eq(query(A).n_messages, 0);

        /* the holder releases a handle whose notification is queued */
        expect_readable(B, BUS1_POLL_READABLE);
        ck_assert_int_eq(try_release(B, handle), 0);
        expect_readable(B, 0);

        /* one release ends the node that a queued message is for, and that of the handle in it */
        create(A, A, 0, &node, &handle);
        create(A, A, 0, &carried_node, &carried);
        send_handle(A, handle, carried);
        ck_assert_int_eq(bus1_peer_release(A, (u64[]){node, carried_node}, 2), 0);
        expect_node_release(A, handle);
        expect_node_release(A, carried);
        expect_readable(A, 0);

        /* a moot entry waits behind another entry, and is dropped when that one is received */
        create(A, B, 0, &node, &handle);
        create(A, B, 0, &other_node, &other);
        send_text(B, other, "front");
        send_text(B, handle, "moot");
        ck_assert_int_eq(try_release(A, node), 0);
        expect_readable(A, BUS1_POLL_READABLE);
        expect_text(A, other_node, "front");
        expect_readable(A, 0);
        ck_assert_uint_eq(query(A).n_messages, 0);
        world_free(&world);
}
END_TEST

START_TEST(release_leaves_what_is_being_received_to_its_receiver) {
        struct world world = world_new(2);
        struct bus1_recv recv;
        u64 node, handle;

        for (unsigned i = 0; i < 2; i++) {
                create(A, B, 0, &node, &handle);
                send_text(B, handle, "text");
                ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
                ck_assert_int_eq(try_release(A, node), 0);
                ck_assert_int_eq(memcmp(recv.payload->data, "text", 4), 0);
                if (i == 0)
                        ck_assert_int_eq(bus1_peer_recv_commit(&recv), -ESTALE);
                else
                        bus1_peer_recv_abort(&recv);
                expect_nothing(A);
                ck_assert_uint_eq(query(A).n_messages, 0);
                expect_node_release(B, handle);
        }
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("release");
        TCase *tcase = tcase_create("release");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, every_transfer_makes_a_new_handle);
        tcase_add_test(tcase, ids_are_never_reused);
        tcase_add_test(tcase, transfer_refuses_wrong_arguments_and_has_no_effect);
        tcase_add_test(tcase, last_handle_gone_notifies_owner);
        tcase_add_test(tcase, node_release_notifies_every_holder);
        tcase_add_test(tcase, released_handle_gets_no_notification);
        tcase_add_test(tcase, released_node_gets_no_notification_and_no_messages);
        tcase_add_test(tcase, send_to_released_node_succeeds_and_is_discarded);
        tcase_add_test(tcase, release_of_several_is_one_transaction);
        tcase_add_test(tcase, release_with_an_unknown_or_doubled_id_has_no_effect);
        tcase_add_test(tcase, release_of_node_and_own_handles_is_silent);
        tcase_add_test(tcase, handle_in_flight_counts);
        tcase_add_test(tcase, message_before_notification_delivers_both);
        tcase_add_test(tcase, notification_before_message_delivers_invalid);
        tcase_add_test(tcase, message_with_handle_of_a_node_that_is_gone_delivers_invalid);
        tcase_add_test(tcase, transfer_of_handle_of_a_node_that_is_gone_is_notified);
        tcase_add_test(tcase, disconnect_releases_everything);
        tcase_add_test(tcase, chains_of_messages_are_discarded_without_recursion);
        tcase_add_test(tcase, a_hundred_thousand_handles_are_released_at_once);
        tcase_add_test(tcase, queue_with_only_moot_entries_is_not_readable);
        tcase_add_test(tcase, release_leaves_what_is_being_received_to_its_receiver);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
