/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The end of nodes and handles, and readiness, the same on every transport. */

#include "test/unit/libbus1/fixture.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* the end of nodes and handles */

TRANSPORT_TEST(owner_learns_that_the_last_handle_went) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        uint64_t node, handle, copy;

        ck_assert_int_eq(bus1_client_create_node(a, 0, &node, &handle), 0);
        copy = give_handle(a, b, handle);
        ck_assert_int_eq(bus1_client_release_one(a, handle), 0);
        expect_nothing(a);
        ck_assert_int_eq(send_data(b, copy, "last", 4), 0);
        ck_assert_int_eq(bus1_client_release_one(b, copy), 0);
        expect_data(a, node, "last", 4);
        expect_notification(a, BUS1_MESSAGE_TYPE_HANDLE_RELEASE, node);
        expect_nothing(a);
        expect_nothing(b);
        bus1_client_free(a);
        bus1_client_free(b);
}

TRANSPORT_TEST(holders_learn_that_the_node_went) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        uint64_t node, handle, copy;

        ck_assert_int_eq(bus1_client_create_node(a, 0, &node, &handle), 0);
        copy = give_handle(a, b, handle);
        ck_assert_int_eq(bus1_client_release_one(a, node), 0);
        expect_notification(b, BUS1_MESSAGE_TYPE_NODE_RELEASE, copy);
        expect_notification(a, BUS1_MESSAGE_TYPE_NODE_RELEASE, handle);

        /* the notification ends the ID */
        ck_assert_int_eq(send_data(b, copy, "x", 1), -EBADRQC);
        ck_assert_int_eq(bus1_client_release_one(b, copy), -EBADRQC);
        bus1_client_free(a);
        bus1_client_free(b);
}

TRANSPORT_TEST(end_of_a_peer_ends_its_nodes_and_handles) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        uint64_t node_a, node_b, handle, to_a, to_b;

        ck_assert_int_eq(bus1_client_create_node(a, 0, &node_a, &handle), 0);
        to_a = give_handle(a, b, handle);
        ck_assert_int_eq(bus1_client_create_node(b, 0, &node_b, &handle), 0);
        to_b = give_handle(b, a, handle);
        ck_assert_int_eq(bus1_client_release_one(b, handle), 0);
        ck_assert_int_eq(send_data(a, to_b, "bye", 3), 0);
        bus1_client_free(a);

        expect_data(b, node_b, "bye", 3);
        for (int i = 0; i < 2; i++) {
                struct bus1_received *received;

                wait_readable(b);
                ck_assert_int_eq(bus1_client_recv_alloc(b, &received), 0);
                if (received->type == BUS1_MESSAGE_TYPE_NODE_RELEASE)
                        ck_assert_uint_eq(received->metadata.metadata.id, to_a);
                else
                        ck_assert_uint_eq(received->metadata.metadata.id, node_b);
                bus1_received_free(received);
        }
        expect_nothing(b);
        bus1_client_free(b);
}

TRANSPORT_TEST(oneshot_node_takes_one_message) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        struct bus1_transfer src = {BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                                    BUS1_INVALID};
        struct bus1_transfer dst;
        struct bus1_cmd_query query = {};

        ck_assert_int_eq(bus1_client_transfer(a, b, 1, &src, &dst), 0);
        ck_assert_int_eq(send_data(b, dst.id, "reply", 5), 0);
        ck_assert_int_eq(send_data(b, dst.id, "again", 5), -EBADRQC);
        expect_data(a, src.id, "reply", 5);
        expect_nothing(a);
        expect_nothing(b);
        ck_assert_int_eq(bus1_client_query(a, &query), 0);
        ck_assert_uint_eq(query.n_nodes, 0);

        /* the last handle is released before any message was sent through it */
        src = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE | BUS1_TRANSFER_FLAG_ONESHOT,
                                     BUS1_INVALID};
        ck_assert_int_eq(bus1_client_transfer(a, b, 1, &src, &dst), 0);
        ck_assert_int_eq(bus1_client_release_one(b, dst.id), 0);
        expect_notification(a, BUS1_MESSAGE_TYPE_HANDLE_RELEASE, src.id);
        bus1_client_free(a);
        bus1_client_free(b);
}

/* readiness */

TRANSPORT_TEST(readable_exactly_while_a_message_waits) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        uint64_t node, handle, to_a, nodes[2], handles[2];

        ck_assert_int_eq(bus1_client_create_node(a, 0, &node, &handle), 0);
        to_a = give_handle(a, b, handle);
        ck_assert(!is_readable(a));

        for (int i = 0; i < 100; i++) {
                ck_assert_int_eq(send_data(b, to_a, "1", 1), 0);
                ck_assert(is_readable(a));
                ck_assert_int_eq(send_data(b, to_a, "2", 1), 0);
                ck_assert(is_readable(a));
                expect_data(a, node, "1", 1);
                ck_assert(is_readable(a));
                expect_data(a, node, "2", 1);
                ck_assert(!is_readable(a));
                ck_assert(!is_readable(b));
        }

        /* releasing a node drops the messages that are queued for it */
        ck_assert_int_eq(bus1_client_create_node(a, 0, &nodes[0], &handles[0]), 0);
        ck_assert_int_eq(bus1_client_create_node(a, 0, &nodes[1], &handles[1]), 0);
        ck_assert_int_eq(send_data(a, handles[0], "1", 1), 0);
        ck_assert_int_eq(send_data(a, handles[1], "2", 1), 0);
        ck_assert_int_eq(send_data(a, handles[0], "3", 1), 0);
        ck_assert_int_eq(bus1_client_release_one(a, handles[0]), 0);
        ck_assert_int_eq(bus1_client_release_one(a, nodes[0]), 0);
        ck_assert(is_readable(a));
        expect_data(a, nodes[1], "2", 1);
        expect_nothing(a);

        bus1_client_free(a);
        bus1_client_free(b);
}

int main(void) {
        const TTest *const tests[] = {
                owner_learns_that_the_last_handle_went,   holders_learn_that_the_node_went,
                end_of_a_peer_ends_its_nodes_and_handles, oneshot_node_takes_one_message,
                readable_exactly_while_a_message_waits,
        };

        return run_transport_tests("lifetime", tests, sizeof(tests) / sizeof(tests[0]));
}
