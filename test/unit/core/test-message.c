/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Send and receive
 */

#include "core-test.h"
#include "peer.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <unistd.h>

#define A world.peers[0]
#define B world.peers[1]
#define C world.peers[2]

START_TEST(message_carries_data_account_and_credentials) {
        struct world world = world_new(1);
        struct bus1_peer *foreign = world_add(&world, 4711);
        struct bus1_payload *payload = bus1_payload_new(5, 0);
        struct received received;
        u64 node, handle;

        create(A, foreign, 0, &node, &handle);
        memcpy(payload->data, "hello", 5);
        payload->creds.uid = KUIDT_INIT(4711);
        payload->creds.pid = shim_pid_new(1234);
        ck_assert_int_eq(try_send_payload(foreign, &handle, 1, payload), 0);

        received = test_recv(A);
        ck_assert_int_eq(received.r, 0);
        ck_assert_uint_eq(received.id, node);
        ck_assert_str_eq(received.data, "hello");
        ck_assert_uint_eq(received.account, 4711);
        ck_assert_uint_eq(received.pid, 1234);
        world_free(&world);
}
END_TEST

START_TEST(empty_queue_is_eagain) {
        struct world world = world_new(1);

        expect_nothing(A);
        world_free(&world);
}
END_TEST

START_TEST(send_refuses_wrong_arguments_and_has_no_effect) {
        struct world world = world_new(2);
        u64 node, handle;
        struct bus1_transfer create_one = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        struct bus1_transfer wrong_flags = {0x10, BUS1_INVALID};
        struct bus1_transfer unknown[] = {create_one, {0, 4711}};

        create(A, B, 0, &node, &handle);
        ck_assert_int_eq(try_send(B, (u64[]){handle, 33}, 2, "", NULL, 0), -EBADRQC);
        ck_assert_int_eq(try_send(B, (u64[]){BUS1_INVALID}, 1, "", NULL, 0), -EBADRQC);
        ck_assert_int_eq(try_send(A, &node, 1, "", NULL, 0), -EBADRQC);
        ck_assert_int_eq(try_send(B, &handle, 1, "", &wrong_flags, 1), -EINVAL);
        ck_assert_int_eq(try_send(B, &handle, 1, "", unknown, 2), -EBADRQC);
        ck_assert_uint_eq(unknown[0].id, BUS1_INVALID);
        ck_assert_int_eq(try_send(B, (u64[]){handle, 33}, 2, "", &create_one, 1), -EBADRQC);
        ck_assert_uint_eq(create_one.flags, BUS1_TRANSFER_FLAG_CREATE);
        ck_assert_int_eq(PTR_ERR(bus1_payload_new(BUS1_MAX_DATA + 1, 0)), -EMSGSIZE);
        ck_assert_int_eq(PTR_ERR(bus1_payload_new(0, BUS1_MAX_PAYLOAD_FILES + 1)), -EMSGSIZE);
        expect_nothing(A);
        ck_assert_uint_eq(query(B).n_nodes, 0);
        world_free(&world);
}
END_TEST

START_TEST(message_that_is_not_taken_stays) {
        struct world world = world_new(2);
        u64 node, handle, other_node, other, first;
        struct bus1_recv recv;

        create(A, B, 0, &node, &handle);
        create(B, B, 0, &other_node, &other);
        send_handle(B, handle, other);
        send_text(B, handle, "next");

        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
        ck_assert_uint_eq(recv.n_transfers, 1);
        first = bus1_recv_transfer(&recv, 0).id;
        bus1_peer_recv_abort(&recv);

        /* The receiver does not hold the handle yet. */
        ck_assert_uint_eq(query(A).n_handles, 0);
        ck_assert_int_eq(try_release(A, first), -EBADRQC);
        ck_assert_int_eq(try_send(A, &first, 1, "", NULL, 0), -EBADRQC);
        ck_assert_uint_eq(bus1_peer_poll(A), BUS1_POLL_READABLE);

        ck_assert_uint_eq(expect_handle(A, node), first);
        expect_text(A, node, "next");
        send_text(A, first, "mine now");
        expect_text(B, other_node, "mine now");
        world_free(&world);
}
END_TEST

START_TEST(message_that_was_looked_at_is_dropped_with_its_node) {
        struct world world = world_new(2);
        u64 node, handle, other_node, other;
        struct bus1_recv recv;

        create(A, B, 0, &node, &handle);
        create(B, B, 0, &other_node, &other);
        send_handle(B, handle, other);
        ck_assert_int_eq(try_release(B, other), 0);

        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
        ck_assert_int_eq(try_release(A, node), 0);
        ck_assert_int_eq(bus1_peer_recv_commit(&recv), -ESTALE);
        expect_nothing(A);
        expect_node_release(B, handle);
        expect_handle_release(B, other_node);
        world_free(&world);
}
END_TEST

START_TEST(handle_that_was_looked_at_ends_with_its_message) {
        struct world world = world_new(2);
        u64 node, handle, other_node, other, seen;
        struct bus1_recv recv;

        create(A, B, 0, &node, &handle);
        create(B, B, 0, &other_node, &other);
        send_handle(B, handle, other);

        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
        seen = bus1_recv_transfer(&recv, 0).id;
        bus1_peer_recv_abort(&recv);

        /* The end of A's node drops the message. So A is not notified about the handle in it. */
        ck_assert_int_eq(try_release(A, node), 0);
        ck_assert_int_eq(try_release(B, other_node), 0);
        expect_nothing(A);
        ck_assert_int_eq(try_send(A, &seen, 1, "", NULL, 0), -EBADRQC);
        ck_assert_ptr_null(bus1_map_first(&A->objects));
        world_free(&world);
}
END_TEST

START_TEST(disconnect_leaves_the_message_to_who_looks_at_it) {
        struct world world = world_new(2);
        u64 node, handle, other_node, other;
        struct bus1_recv recv;

        create(A, B, 0, &node, &handle);
        create(B, B, 0, &other_node, &other);
        send_handle(B, handle, other);
        ck_assert_int_eq(try_release(B, other), 0);

        ck_assert_int_eq(bus1_peer_recv_begin(A, &recv), 0);
        bus1_peer_disconnect(A);
        ck_assert_uint_eq(recv.payload->n_data, 0);
        ck_assert_uint_eq(bus1_recv_transfer(&recv, 0).flags, 0);
        ck_assert_int_eq(bus1_peer_recv_commit(&recv), -ESHUTDOWN);
        expect_node_release(B, handle);
        expect_handle_release(B, other_node);
        world_free(&world);
}
END_TEST

START_TEST(create_in_send_gives_every_destination_a_handle) {
        struct world world = world_new(3);
        u64 a_node, a_handle, b_node, b_handle, at_a, at_b;
        struct bus1_transfer transfer = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};

        create(A, C, 0, &a_node, &a_handle);
        create(B, C, 0, &b_node, &b_handle);
        ck_assert_int_eq(try_send(C, (u64[]){a_handle, b_handle}, 2, "", &transfer, 1), 0);
        ck_assert_uint_eq(transfer.flags, 0);
        ck_assert_uint_eq(query(C).n_nodes, 1);

        at_a = expect_handle(A, a_node);
        at_b = expect_handle(B, b_node);
        send_text(A, at_a, "from a");
        send_text(B, at_b, "from b");
        expect_text(C, transfer.id, "from a");
        expect_text(C, transfer.id, "from b");
        ck_assert_int_eq(try_release(A, at_a), 0);
        expect_nothing(C);
        ck_assert_int_eq(try_release(B, at_b), 0);
        expect_handle_release(C, transfer.id);
        world_free(&world);
}
END_TEST

START_TEST(same_destination_twice_gets_two_messages_in_a_row) {
        struct world world = world_new(2);
        u64 node, handle, second_node, second;

        create(A, B, 0, &node, &handle);
        create(A, B, 0, &second_node, &second);
        ck_assert_int_eq(try_send(B, (u64[]){handle, second, handle}, 3, "x", NULL, 0), 0);
        send_text(B, second, "y");
        expect_text(A, node, "x");
        expect_text(A, second_node, "x");
        expect_text(A, node, "x");
        expect_text(A, second_node, "y");
        world_free(&world);
}
END_TEST

START_TEST(many_destinations_and_transfers) {
        struct world world = world_new(2);
        static u64 destinations[300];
        static struct bus1_transfer transfers[10];
        s32 errors[300];
        struct bus1_payload *payload = bus1_payload_new(0, 0);
        struct received received;
        u64 node, handle;

        create(A, B, 0, &node, &handle);
        for (unsigned i = 0; i < 300; i++) {
                destinations[i] = handle;
                errors[i] = 1;
        }
        for (unsigned i = 0; i < 10; i++)
                transfers[i] = (struct bus1_transfer){0, handle};
        ck_assert_int_eq(bus1_peer_send(B,
                                        &(struct bus1_send){
                                                .destinations = destinations,
                                                .n_destinations = 300,
                                                .errors = errors,
                                                .transfers = transfers,
                                                .n_transfers = 10,
                                                .payload = payload,
                                        }),
                         0);
        bus1_payload_unref(payload);
        for (unsigned i = 0; i < 300; i++) {
                ck_assert_int_eq(errors[i], 0);
                received = test_recv(A);
                ck_assert_int_eq(received.r, 0);
                ck_assert_uint_eq(received.n_transfers, 10);
        }
        expect_nothing(A);
        ck_assert_uint_eq(query(A).n_handles, 3000);
        world_free(&world);
}
END_TEST

START_TEST(send_without_destinations) {
        struct world world = world_new(1);
        struct bus1_transfer transfer = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};

        ck_assert_int_eq(try_send(A, NULL, 0, "", NULL, 0), 0);
        expect_nothing(A);
        /* a node that is created by a send without destinations never has a handle */
        ck_assert_int_eq(try_send(A, NULL, 0, "", &transfer, 1), 0);
        expect_handle_release(A, transfer.id);
        world_free(&world);
}
END_TEST

static struct bus1_payload *payload_with_pipe(int *ret_read_end) {
        struct bus1_payload *payload = bus1_payload_new(0, 1);
        int fds[2];

        ck_assert_int_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
        payload->files[0] = shim_file_new(fds[1]);
        *ret_read_end = fds[0];
        return payload;
}

START_TEST(files_are_put_when_received_or_dropped) {
        struct world world = world_new(2);
        struct bus1_payload *payload;
        struct received received;
        u64 node, handle;
        int fd;
        char c;

        create(A, B, 0, &node, &handle);
        payload = payload_with_pipe(&fd);
        ck_assert_int_eq(try_send_payload(B, (u64[]){handle, handle}, 2, payload), 0);
        ck_assert_uint_eq(query(A).n_fds, 2);

        received = test_recv(A);
        ck_assert_uint_eq(received.n_files, 1);
        ck_assert_uint_eq(query(A).n_fds, 1);
        ck_assert_int_eq(read(fd, &c, 1), -1);
        ck_assert_int_eq(errno, EAGAIN);

        ck_assert_int_eq(try_release(A, node), 0);
        expect_nothing(A);
        ck_assert_uint_eq(query(A).n_fds, 0);
        ck_assert_int_eq(read(fd, &c, 1), 0);
        close(fd);
        world_free(&world);
}
END_TEST

START_TEST(files_in_flight_count_for_their_sender) {
        struct world world = world_new(2);
        struct bus1_peer *other = world_add(&world, 1001);
        struct bus1_payload *payload;
        u64 node, handle, own;

        create(A, B, 0, &node, &handle);
        create(B, B, 0, &node, &own);
        /* the limit is for earlier messages; it does not matter in which queues they are */
        payload = bus1_payload_new(0, 3);
        ck_assert_int_eq(bus1_payload_charge_files(payload, B, 2), 0);
        ck_assert_int_eq(try_send_payload(B, (u64[]){handle, handle}, 2, payload), 0);
        payload = bus1_payload_new(0, 1);
        ck_assert_int_eq(bus1_payload_charge_files(payload, B, 2), -ETOOMANYREFS);
        ck_assert_int_eq(bus1_payload_charge_files(payload, A, 2), -ETOOMANYREFS);
        ck_assert_int_eq(bus1_payload_charge_files(payload, B, 3), 0);
        ck_assert_int_eq(try_send_payload(B, &own, 1, payload), 0);

        /* without files nothing is charged, and other users have their own limit */
        payload = bus1_payload_new(0, 0);
        ck_assert_int_eq(bus1_payload_charge_files(payload, B, 0), 0);
        bus1_payload_unref(payload);
        payload = bus1_payload_new(0, 1);
        ck_assert_int_eq(bus1_payload_charge_files(payload, other, 0), 0);
        bus1_payload_unref(payload);

        /* the files count until the last recipient has received or dropped them */
        ck_assert_uint_eq(test_recv(A).n_files, 3);
        payload = bus1_payload_new(0, 1);
        ck_assert_int_eq(bus1_payload_charge_files(payload, A, 3), -ETOOMANYREFS);
        ck_assert_int_eq(bus1_peer_reset(A), 0);
        ck_assert_int_eq(bus1_payload_charge_files(payload, A, 0), -ETOOMANYREFS);
        ck_assert_uint_eq(test_recv(B).n_files, 1);
        ck_assert_uint_eq(test_recv(B).type, BUS1_MESSAGE_TYPE_NODE_RELEASE);
        ck_assert_int_eq(bus1_payload_charge_files(payload, A, 0), 0);
        bus1_payload_unref(payload);
        world_free(&world);
}
END_TEST

START_TEST(files_to_a_disconnected_peer_are_put) {
        struct world world = world_new(2);
        struct bus1_payload *payload;
        u64 node, handle;
        int fd;
        char c;

        create(A, B, 0, &node, &handle);
        payload = payload_with_pipe(&fd);
        bus1_peer_disconnect(A);
        ck_assert_int_eq(try_send_payload(B, &handle, 1, payload), 0);
        ck_assert_int_eq(read(fd, &c, 1), 0);
        close(fd);
        world_free(&world);
}
END_TEST

START_TEST(wake_is_called_for_each_entry) {
        struct world world = world_new(1);
        struct bus1_peer *peer = world_add(&world, 1000);
        u64 node, handle;

        create(peer, A, 0, &node, &handle);
        ck_assert_uint_eq(world.n_wakes[1], 0);
        send_text(A, handle, "1");
        send_text(A, handle, "2");
        ck_assert_uint_eq(world.n_wakes[1], 2);
        expect_text(peer, node, "1");
        expect_text(peer, node, "2");
        ck_assert_int_eq(try_send(A, (u64[]){handle, handle}, 2, "3", NULL, 0), 0);
        ck_assert_uint_eq(world.n_wakes[1], 4);
        bus1_peer_disconnect(peer);
        ck_assert_uint_eq(world.n_wakes[1], 5);
        send_text(A, handle, "4");
        ck_assert_uint_eq(world.n_wakes[1], 5);
        world_free(&world);
}
END_TEST

START_TEST(query_reports_limits_and_usage) {
        struct world world = world_new(2);
        struct bus1_cmd_query q = {.flags = 1};
        u64 node, handle;

        ck_assert_int_eq(bus1_peer_query(A, &q), -EINVAL);
        create(A, B, 0, &node, &handle);
        send_text(B, handle, "12345");
        q = query(A);
        ck_assert_uint_eq(q.version, BUS1_VERSION);
        ck_assert_uint_eq(q.max_data, BUS1_MAX_DATA);
        ck_assert_uint_eq(q.n_nodes, 1);
        ck_assert_uint_eq(q.n_handles, 0);
        ck_assert_uint_eq(q.n_messages, 1);
        ck_assert_uint_eq(q.n_bytes, 5);
        world_free(&world);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("message");
        TCase *tcase = tcase_create("message");

        tcase_set_timeout(tcase, 60);
        tcase_add_test(tcase, message_carries_data_account_and_credentials);
        tcase_add_test(tcase, empty_queue_is_eagain);
        tcase_add_test(tcase, send_refuses_wrong_arguments_and_has_no_effect);
        tcase_add_test(tcase, message_that_is_not_taken_stays);
        tcase_add_test(tcase, message_that_was_looked_at_is_dropped_with_its_node);
        tcase_add_test(tcase, handle_that_was_looked_at_ends_with_its_message);
        tcase_add_test(tcase, disconnect_leaves_the_message_to_who_looks_at_it);
        tcase_add_test(tcase, create_in_send_gives_every_destination_a_handle);
        tcase_add_test(tcase, same_destination_twice_gets_two_messages_in_a_row);
        tcase_add_test(tcase, many_destinations_and_transfers);
        tcase_add_test(tcase, send_without_destinations);
        tcase_add_test(tcase, files_are_put_when_received_or_dropped);
        tcase_add_test(tcase, files_in_flight_count_for_their_sender);
        tcase_add_test(tcase, files_to_a_disconnected_peer_are_put);
        tcase_add_test(tcase, wake_is_called_for_each_entry);
        tcase_add_test(tcase, query_reports_limits_and_usage);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
