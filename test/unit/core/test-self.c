/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Peers that send to themselves, and messages with several destinations at one peer
 */

#include "commit.h"
#include "core-test.h"
#include "message.h"
#include "node.h"
#include "peer.h"

#define A world.peers[0]
#define B world.peers[1]
#define C world.peers[2]

START_TEST(peer_sends_to_itself) {
        struct world world = world_new(1);
        u64 node, handle, received;

        create(A, A, 0, &node, &handle);
        send_text(A, handle, "note");
        send_handle(A, handle, handle);
        expect_text(A, node, "note");
        received = expect_handle(A, node);
        ck_assert_uint_ne(received, handle);
        send_text(A, received, "again");
        ck_assert_int_eq(try_release(A, handle), 0);
        expect_text(A, node, "again");
        expect_nothing(A);
        ck_assert_int_eq(try_release(A, received), 0);
        expect_handle_release(A, node);
        ck_assert_uint_eq(query(A).n_nodes, 0);
        world_free(&world);
}
END_TEST

START_TEST(message_to_self_keeps_the_handle_it_carries) {
        struct world world = world_new(1);
        u64 node, handle, received;

        /* the only handle of a node is in a message to this node */
        create(A, A, 0, &node, &handle);
        send_handle(A, handle, handle);
        ck_assert_int_eq(try_release(A, handle), 0);
        received = expect_handle(A, node);
        expect_nothing(A);
        send_handle(A, received, received);
        ck_assert_int_eq(try_release(A, received), 0);
        /* the message, and the handle in it, end with the node */
        ck_assert_int_eq(try_release(A, node), 0);
        expect_nothing(A);
        ck_assert_uint_eq(query(A).n_nodes, 0);
        ck_assert_uint_eq(query(A).n_handles, 0);
        ck_assert_uint_eq(query(A).n_messages, 0);
        world_free(&world);
}
END_TEST

START_TEST(owner_gets_a_handle_of_its_own_node_back) {
        struct world world = world_new(2);
        u64 node, handle, to_a_node, to_a, back;

        create(A, B, 0, &node, &handle);
        create(A, B, 0, &to_a_node, &to_a);
        send_handle(B, to_a, handle);
        ck_assert_int_eq(try_release(B, handle), 0);
        back = expect_handle(A, to_a_node);
        ck_assert_uint_ne(back, node);
        ck_assert_uint_eq(query(A).n_handles, 1);
        send_text(A, back, "mine");
        expect_text(A, node, "mine");
        /* an owner is notified that the last handle has gone even if it held that handle itself */
        ck_assert_int_eq(try_release(A, back), 0);
        expect_handle_release(A, node);

        /* a transfer also gives the owner a handle: as a holder it is told of the node's end */
        create(A, B, 0, &node, &handle);
        back = copy(B, A, handle);
        ck_assert_int_eq(try_release(A, node), 0);
        expect_node_release(A, back);
        expect_node_release(B, handle);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(nodes_of_one_peer_get_their_messages_in_a_row) {
        struct world world = world_new(3);
        u64 nodes[3], to[3], other[3], b_node, to_b;

        for (unsigned i = 0; i < 3; i++) {
                create(A, C, 0, &nodes[i], &to[i]);
                other[i] = copy(C, B, to[i]);
        }
        create(B, C, 0, &b_node, &to_b);
        /* each send is one transaction, so A receives all messages of it in a row */
        ck_assert_int_eq(try_send(C, (u64[]){to[2], to_b, to[0], to[1]}, 4, "1", NULL, 0), 0);
        ck_assert_int_eq(try_send(B, (u64[]){other[1], other[0]}, 2, "2", NULL, 0), 0);
        ck_assert_int_eq(try_send(C, (u64[]){to_b, to[0], to[0]}, 3, "3", NULL, 0), 0);
        expect_text(A, nodes[2], "1");
        expect_text(A, nodes[0], "1");
        expect_text(A, nodes[1], "1");
        expect_text(A, nodes[1], "2");
        expect_text(A, nodes[0], "2");
        expect_text(A, nodes[0], "3");
        expect_text(A, nodes[0], "3");
        expect_text(B, b_node, "1");
        expect_text(B, b_node, "3");
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(multicast_to_self_and_others) {
        struct world world = world_new(2);
        struct bus1_transfer created = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        u64 node, own, b_node, to_b, copies[2];

        create(A, A, 0, &node, &own);
        create(B, A, 0, &b_node, &to_b);
        ck_assert_int_eq(try_send(A, (u64[]){own, to_b}, 2, "", &created, 1), 0);
        copies[0] = expect_handle(A, node);
        copies[1] = expect_handle(B, b_node);
        ck_assert_int_eq(try_release(A, copies[0]), 0);
        expect_nothing(A);
        ck_assert_int_eq(try_release(B, copies[1]), 0);
        expect_handle_release(A, created.id);
        world_free(&world);
}
END_TEST

START_TEST(transfer_to_self_and_release_in_one) {
        struct world world = world_new(1);
        struct bus1_transfer src[2] = {{BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
                                       {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}},
                             dst[2];

        ck_assert_int_eq(bus1_peer_transfer(A, A, src, dst, 2), 0);
        ck_assert_int_eq(bus1_peer_release(A, (u64[]){dst[0].id, src[1].id, dst[1].id}, 3), 0);
        expect_handle_release(A, src[0].id);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

/* One of two receivers ends between the steps of a send. */
START_TEST(receiver_that_ends_while_others_send_gets_nothing) {
        struct world world = world_new(3);
        struct bus1_payload *payload = bus1_payload_new(3, 0);
        struct bus1_delivery *deliveries[2];
        struct bus1_node *carried;
        u64 a_node, to_a, b_node, to_b, node, handle, received;
        struct bus1_staging staging;
        struct bus1_tx tx;
        u64 timestamp = 0;
        LIST_HEAD(list);

        create(A, C, 0, &a_node, &to_a);
        create(B, C, 0, &b_node, &to_b);
        create(C, C, 0, &node, &handle);

        mutex_lock(&C->lock);
        carried = bus1_peer_find_handle(C, handle)->node;
        deliveries[0] =
                bus1_delivery_new(C, bus1_peer_find_handle(C, to_a)->node, payload, &carried, 1);
        deliveries[1] =
                bus1_delivery_new(C, bus1_peer_find_handle(C, to_b)->node, payload, &carried, 1);
        mutex_unlock(&C->lock);
        bus1_payload_unref(payload);
        for (unsigned i = 0; i < 2; i++) {
                bus1_delivery_link(deliveries[i]);
                list_add_tail(&deliveries[i]->entry.link, &list);
        }
        bus1_staging_init(&staging, C->number, &list);
        for (unsigned i = 0; i < 2; i++) {
                u64 staged;

                staged = bus1_queue_stage(&world.peers[i]->queue, &deliveries[i]->entry, &staging);
                timestamp = staged > timestamp ? staged : timestamp;
        }
        ck_assert_int_eq(try_release(C, handle), 0);

        /* the disconnect seals the queue; the sender still owns the staged entry */
        ck_assert_int_eq(bus1_peer_disconnect(A), 0);
        bus1_staging_decide(&staging, timestamp);
        ck_assert(!bus1_queue_commit(&A->queue, &deliveries[0]->entry, &staging));
        ck_assert(bus1_queue_commit(&B->queue, &deliveries[1]->entry, &staging));
        list_add_tail(&deliveries[0]->entry.link, &list);
        mutex_lock(&C->lock);
        bus1_tx_init(&tx, C);
        bus1_tx_drop(&tx, &list);
        bus1_tx_commit(&tx);
        mutex_unlock(&C->lock);

        /* the other receiver gets the message with the last handle */
        expect_node_release(C, to_a);
        received = expect_handle(B, b_node);
        expect_nothing(C);
        ck_assert_int_eq(try_release(B, received), 0);
        expect_handle_release(C, node);
        world_free(&world);
}
END_TEST

START_TEST(node_released_with_handles_under_way_to_many) {
        struct world world = world_new(3);
        u64 b_node, to_b, c_node, to_c, node, handle, at_b;

        create(B, A, 0, &b_node, &to_b);
        create(C, A, 0, &c_node, &to_c);
        create(A, A, 0, &node, &handle);
        {
                struct bus1_transfer transfers[2] = {{0, handle}, {0, handle}};
                ck_assert_int_eq(try_send(A, (u64[]){to_b, to_c}, 2, "", transfers, 2), 0);
        }
        at_b = test_recv(B).transfers[0];
        ck_assert_uint_ne(at_b, BUS1_INVALID);
        ck_assert_int_eq(try_release(A, node), 0);
        expect_node_release(A, handle);
        expect_node_release(B, at_b);
        expect_node_release(B, at_b + 2);
        /*
         * C has not received its message yet: it gets the message first, and then a notification
         * for each handle
         */
        {
                struct received received = test_recv(C);
                ck_assert_uint_eq(received.n_transfers, 2);
                expect_node_release(C, received.transfers[0]);
                expect_node_release(C, received.transfers[1]);
        }
        expect_nothing(A);
        expect_nothing(B);
        expect_nothing(C);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("self");
        TCase *tcase = tcase_create("self");

        tcase_add_test(tcase, peer_sends_to_itself);
        tcase_add_test(tcase, message_to_self_keeps_the_handle_it_carries);
        tcase_add_test(tcase, owner_gets_a_handle_of_its_own_node_back);
        tcase_add_test(tcase, nodes_of_one_peer_get_their_messages_in_a_row);
        tcase_add_test(tcase, multicast_to_self_and_others);
        tcase_add_test(tcase, transfer_to_self_and_release_in_one);
        tcase_add_test(tcase, receiver_that_ends_while_others_send_gets_nothing);
        tcase_add_test(tcase, node_released_with_handles_under_way_to_many);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
