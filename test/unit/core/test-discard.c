/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Discarding the next message: it leaves the queue like one that was received, but everything that
 * it carries is released
 */

#include "core-test.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <unistd.h>

#define A world.peers[0]
#define B world.peers[1]
#define C world.peers[2]

static int discard(struct bus1_peer *peer) {
        struct bus1_recv recv;
        int r = bus1_peer_recv_begin(peer, &recv);

        return r < 0 ? r : bus1_peer_recv_discard(&recv);
}

START_TEST(message_leaves_the_queue) {
        struct world world = world_new(2);
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(discard(A), -EAGAIN);
        send_text(B, handle, "1");
        send_text(B, handle, "2");
        ck_assert_int_eq(discard(A), 0);
        ck_assert_uint_eq(query(A).n_bytes, 1);
        expect_text(A, node, "2");
        ck_assert_int_eq(discard(A), -EAGAIN);
        world_free(&world);
}
END_TEST

START_TEST(handles_are_released) {
        struct world world = world_new(3);
        u64 node, handle, c_node, c_handle, own;
        struct bus1_transfer created = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};

        create(A, B, 0, &node, &handle);
        create(C, B, 0, &c_node, &c_handle);
        send_handle(B, handle, c_handle);
        ck_assert_int_eq(try_release(B, c_handle), 0);
        expect_nothing(C);
        ck_assert_int_eq(discard(A), 0);
        expect_handle_release(C, c_node);
        ck_assert_uint_eq(query(A).n_handles, 0);

        /* a handle to a node that the message itself has created */
        ck_assert_int_eq(try_send(B, &handle, 1, "", &created, 1), 0);
        ck_assert_int_eq(discard(A), 0);
        expect_handle_release(B, created.id);

        /* the last handle to a node of the receiver itself: the receiver is notified */
        create(A, B, 0, &c_node, &own);
        send_handle(B, handle, own);
        ck_assert_int_eq(try_release(B, own), 0);
        ck_assert_int_eq(discard(A), 0);
        expect_handle_release(A, c_node);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(notification_about_a_released_handle_is_moot) {
        struct world world = world_new(3);
        u64 node, handle, c_node, c_handle;

        create(A, B, 0, &node, &handle);
        create(C, B, 0, &c_node, &c_handle);
        send_handle(B, handle, c_handle);
        ck_assert_int_eq(try_release(C, c_node), 0);
        ck_assert_uint_eq(query(A).n_messages, 2);
        ck_assert_int_eq(discard(A), 0);
        ck_assert(!(bus1_peer_poll(A) & BUS1_POLL_READABLE));
        expect_nothing(A);
        expect_node_release(B, c_handle);
        world_free(&world);
}
END_TEST

START_TEST(files_are_put) {
        struct world world = world_new(2);
        struct bus1_payload *payload = bus1_payload_new(0, 1);
        u64 node, handle;
        int fds[2];
        char c;

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        payload->files[0] = shim_file_new(fds[1]);
        ck_assert_int_eq(try_send_payload(B, &handle, 1, payload), 0);
        ck_assert_int_eq(read(fds[0], &c, 1), -1);
        ck_assert_int_eq(discard(A), 0);
        ck_assert_int_eq(read(fds[0], &c, 1), 0);
        ck_assert_uint_eq(query(A).n_fds, 0);
        close(fds[0]);
        world_free(&world);
}
END_TEST

START_TEST(oneshot_node_ends) {
        struct world world = world_new(2);
        u64 node, handle;

        create(A, B, BUS1_TRANSFER_FLAG_ONESHOT, &node, &handle);
        send_text(B, handle, "reply");
        ck_assert_int_eq(discard(A), 0);
        ck_assert_int_eq(try_release(A, node), -EBADRQC);
        ck_assert_uint_eq(query(A).n_nodes, 0);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(notification_is_received) {
        struct world world = world_new(2);
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(try_release(A, node), 0);
        ck_assert_int_eq(discard(B), 0);
        ck_assert_int_eq(try_release(B, handle), -EBADRQC);
        ck_assert_uint_eq(query(B).n_handles, 0);

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(try_release(B, handle), 0);
        ck_assert_int_eq(discard(A), 0);
        ck_assert_uint_eq(query(A).n_nodes, 0);
        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(message_that_ceased_to_exist_is_not_discarded) {
        struct world world = world_new(2);
        struct bus1_recv recv;
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        send_text(B, handle, "text");
        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
        ck_assert_int_eq(try_release(A, node), 0);
        ck_assert_int_eq(bus1_peer_recv_discard(&recv), -ESTALE);

        create(A, B, 0, &node, &handle);
        send_text(B, handle, "text");
        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
        ck_assert_int_eq(bus1_peer_disconnect(A), 0);
        ck_assert_int_eq(bus1_peer_recv_discard(&recv), -ESHUTDOWN);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("discard");
        TCase *tcase = tcase_create("discard");

        tcase_add_test(tcase, message_leaves_the_queue);
        tcase_add_test(tcase, handles_are_released);
        tcase_add_test(tcase, notification_about_a_released_handle_is_moot);
        tcase_add_test(tcase, files_are_put);
        tcase_add_test(tcase, oneshot_node_ends);
        tcase_add_test(tcase, notification_is_received);
        tcase_add_test(tcase, message_that_ceased_to_exist_is_not_discarded);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
