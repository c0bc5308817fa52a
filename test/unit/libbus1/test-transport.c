/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nodes, handles and messages, the same on every transport. */

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

/* nodes and messages */

TRANSPORT_TEST(node_is_created_with_a_handle) {
        struct bus1_client *client = fixture_client_new(fixture);
        uint64_t node, handle, node2, handle2;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node2, &handle2), 0);
        ck_assert(node & BUS1_MANAGED);
        ck_assert(handle & BUS1_MANAGED);
        ck_assert_uint_ne(node, BUS1_INVALID);
        ck_assert_uint_ne(node, handle);
        ck_assert_uint_ne(node, node2);
        ck_assert_uint_ne(handle, handle2);
        expect_nothing(client);
        bus1_client_free(client);
}

TRANSPORT_TEST(message_arrives_at_its_node) {
        struct bus1_client *client = fixture_client_new(fixture);
        uint64_t node[2], handle[2];

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node[0], &handle[0]), 0);
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node[1], &handle[1]), 0);
        ck_assert_int_eq(send_data(client, handle[1], "one", 3), 0);
        ck_assert_int_eq(send_data(client, handle[0], "", 0), 0);
        ck_assert_int_eq(send_data(client, handle[0], "three", 5), 0);
        expect_data(client, node[1], "one", 3);
        expect_data(client, node[0], "", 0);
        expect_data(client, node[0], "three", 5);
        expect_nothing(client);
        bus1_client_free(client);
}

TRANSPORT_TEST(data_is_gathered_and_scattered) {
        struct bus1_client *client = fixture_client_new(fixture);
        char a[4] = "....", b[4] = "....", c[4] = "....";
        struct iovec out[] = {{"abc", 3}, {NULL, 0}, {"de", 2}, {"fgh-trailing", 12}};
        struct iovec in[] = {{a, 2}, {NULL, 0}, {b, 4}, {c, 4}};
        struct bus1_message message = {
                .n_data = 8, .n_data_vecs = 4, .ptr_data_vecs = (uintptr_t)out};
        struct bus1_metadata metadata;
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message), 0);

        message = (struct bus1_message){.type = BUS1_INVALID,
                                        .n_data = 10,
                                        .n_data_vecs = 4,
                                        .ptr_data_vecs = (uintptr_t)in};
        ck_assert_int_eq(bus1_client_recv(client, 0, &metadata, &message), 0);
        ck_assert_uint_eq(metadata.id, node);
        ck_assert_uint_eq(metadata.flags, 0);
        ck_assert_uint_eq(message.type, BUS1_MESSAGE_TYPE_USER);
        ck_assert_uint_eq(message.n_data, 8);
        ck_assert_uint_eq(message.n_data_vecs, 4);
        ck_assert_uint_eq(message.n_transfers, 0);
        ck_assert(memcmp(a, "ab..", 4) == 0);
        ck_assert(memcmp(b, "cdef", 4) == 0);
        ck_assert(memcmp(c, "gh..", 4) == 0);
        bus1_client_free(client);
}

/* One size is small, the other one is too big for a packet of a socket. */
TRANSPORT_TEST(data_is_copied_by_send) {
        static const size_t sizes[] = {100, 300000};
        struct bus1_client *client = fixture_client_new(fixture);
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        for (size_t i = 0; i < 2; i++) {
                size_t n = sizes[i], half = n / 2;
                uint8_t *expected = malloc(n), *in = malloc(n), *out;
                struct iovec vecs[2], before[2];
                struct bus1_message message = {
                        .n_data = n, .n_data_vecs = 2, .ptr_data_vecs = (uintptr_t)vecs};
                struct bus1_metadata metadata;

                fill(expected, n, i);
                out = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                ck_assert_ptr_ne(out, MAP_FAILED);
                memcpy(out, expected, n);
                vecs[0] = (struct iovec){out, half};
                vecs[1] = (struct iovec){out + half, n - half};
                memcpy(before, vecs, sizeof(vecs));
                ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message), 0);
                ck_assert(memcmp(before, vecs, sizeof(vecs)) == 0);
                /* the core does not use the buffer any more */
                memset(out, 0xff, n);
                munmap(out, n);

                vecs[0] = (struct iovec){in, half};
                vecs[1] = (struct iovec){in + half, n - half};
                memcpy(before, vecs, sizeof(vecs));
                message.type = BUS1_INVALID;
                ck_assert_int_eq(bus1_client_recv(client, 0, &metadata, &message), 0);
                ck_assert(memcmp(before, vecs, sizeof(vecs)) == 0);
                ck_assert(memcmp(in, expected, n) == 0);
                free(expected);
                free(in);
        }
        bus1_client_free(client);
}

TRANSPORT_TEST(errors_are_written_only_on_success) {
        struct bus1_client *client = fixture_client_new(fixture);
        uint64_t node, handles[2];
        int32_t errors[2] = {4711, 4712};

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handles[0]), 0);
        handles[1] = node;
        ck_assert_int_eq(bus1_client_send(client, 2, handles, errors, &(struct bus1_message){}),
                         -EBADRQC);
        ck_assert_int_eq(errors[0], 4711);
        ck_assert_int_eq(errors[1], 4712);
        handles[1] = handles[0];
        ck_assert_int_eq(bus1_client_send(client, 2, handles, errors, &(struct bus1_message){}), 0);
        ck_assert_int_eq(errors[0], 0);
        ck_assert_int_eq(errors[1], 0);
        bus1_client_free(client);
}

TRANSPORT_TEST(vectors_must_hold_the_data) {
        struct bus1_client *client = fixture_client_new(fixture);
        struct iovec vec = {"abc", 3};
        struct bus1_message message = {
                .n_data = 4, .n_data_vecs = 1, .ptr_data_vecs = (uintptr_t)&vec};
        struct bus1_metadata metadata;
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message), -EINVAL);
        message.type = BUS1_INVALID;
        ck_assert_int_eq(bus1_client_recv(client, 0, &metadata, &message), -EINVAL);
        expect_nothing(client);
        bus1_client_free(client);
}

TRANSPORT_TEST(empty_queue_is_eagain) {
        struct bus1_client *client = fixture_client_new(fixture);
        struct bus1_message message = {.type = BUS1_INVALID};
        struct bus1_metadata metadata;

        ck_assert(!is_readable(client));
        ck_assert_int_eq(bus1_client_recv(client, 0, &metadata, &message), -EAGAIN);
        expect_nothing(client);
        bus1_client_free(client);
}

TRANSPORT_TEST(too_small_reports_sizes_and_keeps_message) {
        struct bus1_client *client = fixture_client_new(fixture);
        struct bus1_transfer transfers[3], in_transfers[3];
        char data[10] = "0123456789", in_data[10];
        struct iovec vec = {data, sizeof(data)};
        int fds[2], in_fds[2];
        struct bus1_message_fds message = {
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .message.n_transfers = 3,
                .message.ptr_transfers = (uintptr_t)transfers,
                .message.n_data = sizeof(data),
                .message.n_data_vecs = 1,
                .message.ptr_data_vecs = (uintptr_t)&vec,
                .n_fds = 2,
                .ptr_fds = (uintptr_t)fds,
        };
        struct bus1_metadata metadata;
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_ge(pipe2(fds, O_CLOEXEC), 0);
        for (size_t i = 0; i < 3; i++)
                transfers[i] = (struct bus1_transfer){.id = handle};
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message.message), 0);
        close(fds[0]);
        close(fds[1]);

        vec = (struct iovec){in_data, sizeof(in_data)};
        for (int i = 0; i < 4; i++) {
                message.message.type = BUS1_INVALID;
                message.message.n_transfers = i == 0 ? 2 : 3;
                message.message.ptr_transfers = (uintptr_t)in_transfers;
                message.message.n_data = i == 1 ? 9 : 10;
                message.n_fds = i == 2 ? 1 : 2;
                message.ptr_fds = (uintptr_t)in_fds;

                ck_assert(is_readable(client));
                ck_assert_int_eq(bus1_client_recv(client, 0, &metadata, &message.message),
                                 i < 3 ? -EMSGSIZE : 0);
                ck_assert_uint_eq(message.message.n_transfers, 3);
                ck_assert_uint_eq(message.message.n_data, 10);
                ck_assert_uint_eq(message.n_fds, 2);
        }

        ck_assert(memcmp(in_data, data, 10) == 0);
        for (size_t i = 0; i < 3; i++) {
                ck_assert_uint_ne(in_transfers[i].id, BUS1_INVALID);
                ck_assert_uint_eq(in_transfers[i].flags, 0);
        }
        ck_assert(fcntl(in_fds[0], F_GETFD) & FD_CLOEXEC);
        ck_assert_int_eq(write(in_fds[1], "x", 1), 1);
        ck_assert_int_eq(read(in_fds[0], in_data, 1), 1);
        close(in_fds[0]);
        close(in_fds[1]);
        expect_nothing(client);
        bus1_client_free(client);
}

TRANSPORT_TEST(data_of_every_size_arrives_unchanged) {
        static const size_t sizes[] = {0,      1,      8191,    8192,          8193,
                                       65535,  65536,  65537,   131071,        131072,
                                       131073, 200000, 1 << 20, (64 << 20) + 3};
        struct bus1_client *client = fixture_client_new(fixture);
        uint64_t node, handle;
        uint8_t *data;

        data = malloc(sizes[13]);
        ck_assert_ptr_nonnull(data);
        fill(data, sizes[13], 1);
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);

        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
                ck_assert_int_eq(send_data(client, handle, data + i % 3, sizes[i] - (i >= 13) * 3),
                                 0);
                wait_readable(client);
                expect_data(client, node, data + i % 3, sizes[i] - (i >= 13) * 3);
                ck_assert(!is_readable(client));
        }

        free(data);
        bus1_client_free(client);
}

TRANSPORT_TEST(big_message_fits_vectors_of_the_receiver) {
        struct bus1_client *client = fixture_client_new(fixture);
        size_t n = 300000;
        uint8_t *out = malloc(n), *in = malloc(n + 7);
        struct iovec vecs[2] = {{in, 100001}, {in + 100001, n + 7 - 100001}};
        struct bus1_message message = {.type = BUS1_INVALID,
                                       .n_data = n + 7,
                                       .n_data_vecs = 2,
                                       .ptr_data_vecs = (uintptr_t)vecs};
        struct bus1_metadata metadata;
        uint64_t node, handle;

        fill(out, n, 7);
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(send_data(client, handle, out, n), 0);
        ck_assert_int_eq(bus1_client_recv(client, 0, &metadata, &message), 0);
        ck_assert_uint_eq(message.n_data, n);
        ck_assert(memcmp(in, out, n) == 0);
        expect_nothing(client);
        free(in);
        free(out);
        bus1_client_free(client);
}

TRANSPORT_TEST(multicast_reaches_every_destination) {
        struct bus1_client *sender = fixture_client_new(fixture);
        struct bus1_client *receivers[4];
        uint64_t nodes[5], handles[5], owned;
        struct iovec vec = {"all", 3};
        struct bus1_message message = {
                .n_data = 3, .n_data_vecs = 1, .ptr_data_vecs = (uintptr_t)&vec};
        int32_t errors[5] = {1, 2, 3, 4, 5};

        for (size_t i = 0; i < 4; i++) {
                receivers[i] = fixture_client_new(fixture);
                ck_assert_int_eq(bus1_client_create_node(receivers[i], 0, &nodes[i], &owned), 0);
                handles[i] = give_handle(receivers[i], sender, owned);
        }
        /* the last peer has two nodes */
        ck_assert_int_eq(bus1_client_create_node(receivers[3], 0, &nodes[4], &owned), 0);
        handles[4] = give_handle(receivers[3], sender, owned);

        ck_assert_int_eq(bus1_client_send(sender, 5, handles, errors, &message), 0);
        for (size_t i = 0; i < 5; i++)
                ck_assert_int_eq(errors[i], 0);
        for (size_t i = 0; i < 4; i++)
                expect_data(receivers[i], nodes[i], "all", 3);
        expect_data(receivers[3], nodes[4], "all", 3);

        expect_nothing(sender);
        for (size_t i = 0; i < 4; i++) {
                expect_nothing(receivers[i]);
                bus1_client_free(receivers[i]);
        }
        bus1_client_free(sender);
}

/* handles */

TRANSPORT_TEST(handle_travels_in_a_message) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        struct bus1_transfer transfers[2];
        struct bus1_message message = {.n_transfers = 2, .ptr_transfers = (uintptr_t)transfers};
        uint64_t node_a, handle_a, node_b, handle_b, to_b;
        struct bus1_received *received;

        ck_assert_int_eq(bus1_client_create_node(a, 0, &node_a, &handle_a), 0);
        ck_assert_int_eq(bus1_client_create_node(b, 0, &node_b, &handle_b), 0);
        to_b = give_handle(b, a, handle_b);

        /* the message carries handles to a node that exists, and to one that the send creates */
        transfers[0] = (struct bus1_transfer){.id = handle_a};
        transfers[1] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        ck_assert_int_eq(bus1_client_send(a, 1, &to_b, NULL, &message), 0);
        ck_assert_uint_eq(transfers[0].id, handle_a);
        ck_assert_uint_eq(transfers[1].flags, 0);
        ck_assert_uint_ne(transfers[1].id, BUS1_INVALID);

        ck_assert_int_eq(bus1_client_recv_alloc(b, &received), 0);
        ck_assert_uint_eq(received->metadata.metadata.id, node_b);
        ck_assert_uint_eq(received->n_transfers, 2);
        ck_assert_int_eq(send_data(b, received->transfers[0].id, "0", 1), 0);
        ck_assert_int_eq(send_data(b, received->transfers[1].id, "1", 1), 0);
        expect_data(a, node_a, "0", 1);
        expect_data(a, transfers[1].id, "1", 1);
        bus1_received_free(received);

        bus1_client_free(a);
        bus1_client_free(b);
}

TRANSPORT_TEST(handles_are_copied_between_peers) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        struct bus1_transfer src[2], dst[2];
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(a, 0, &node, &handle), 0);
        src[0] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        src[1] = (struct bus1_transfer){.id = handle};
        ck_assert_int_eq(bus1_client_transfer(a, b, 2, src, dst), 0);
        ck_assert_uint_eq(src[0].flags, 0);
        ck_assert_uint_ne(src[0].id, BUS1_INVALID);
        ck_assert_uint_eq(src[1].id, handle);

        ck_assert_int_eq(send_data(b, dst[0].id, "new", 3), 0);
        ck_assert_int_eq(send_data(b, dst[1].id, "old", 3), 0);
        expect_data(a, src[0].id, "new", 3);
        expect_data(a, node, "old", 3);

        /* BUS1_INVALID is no handle, and a transfer of nothing succeeds */
        ck_assert_int_eq(send_data(b, BUS1_INVALID, "", 0), -EBADRQC);
        ck_assert_int_eq(bus1_client_transfer(a, a, 0, NULL, NULL), 0);
        bus1_client_free(a);
        bus1_client_free(b);
}

TRANSPORT_TEST(unknown_ids_are_refused_without_effect) {
        struct bus1_client *client = fixture_client_new(fixture);
        struct bus1_transfer src[2], dst[2];
        struct bus1_message message = {.n_transfers = 1, .ptr_transfers = (uintptr_t)src};
        uint64_t node, handle, ids[2];
        struct bus1_cmd_query query = {};

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);

        /* an ID of a node is not a handle */
        ck_assert_int_eq(send_data(client, node, "x", 1), -EBADRQC);
        ck_assert_int_eq(send_data(client, handle + 1024, "x", 1), -EBADRQC);

        ids[0] = handle;
        ids[1] = 4711;
        ck_assert_int_eq(bus1_client_send(client, 2, ids, NULL, &(struct bus1_message){}),
                         -EBADRQC);
        ck_assert_int_eq(bus1_client_release(client, 2, ids), -EBADRQC);

        src[0] = (struct bus1_transfer){.id = 4711};
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message), -EBADRQC);

        src[0] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        src[1] = (struct bus1_transfer){.id = 4711};
        ck_assert_int_eq(bus1_client_transfer(client, NULL, 2, src, dst), -EBADRQC);

        expect_nothing(client);
        ck_assert_int_eq(bus1_client_query(client, &query), 0);
        ck_assert_uint_eq(query.n_nodes, 1);
        ck_assert_uint_eq(query.n_handles, 1);
        ck_assert_int_eq(send_data(client, handle, "x", 1), 0);
        expect_data(client, node, "x", 1);
        bus1_client_free(client);
}

TRANSPORT_TEST(bad_flags_are_refused) {
        struct bus1_client *client = fixture_client_new(fixture);
        struct bus1_transfer src, dst;
        struct bus1_message message;
        struct bus1_metadata metadata;
        struct bus1_cmd_query query = {.flags = 1};
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(bus1_client_create_node(client, 1ULL << 63, &node, &handle), -EINVAL);

        /* ONESHOT needs CREATE, and CREATE allows no ID */
        src = (struct bus1_transfer){BUS1_TRANSFER_FLAG_ONESHOT, handle};
        ck_assert_int_eq(bus1_client_transfer(client, NULL, 1, &src, &dst), -EINVAL);
        src = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, handle};
        ck_assert_int_eq(bus1_client_transfer(client, NULL, 1, &src, &dst), -EINVAL);

        message = (struct bus1_message){.flags = 1ULL << 40};
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message), -EINVAL);
        message = (struct bus1_message){.type = BUS1_MESSAGE_TYPE_NODE_RELEASE};
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message), -EINVAL);

        ck_assert_int_eq(send_data(client, handle, NULL, 0), 0);
        message = (struct bus1_message){.type = BUS1_INVALID};
        ck_assert_int_eq(bus1_client_recv(client, 1ULL << 40, &metadata, &message), -EINVAL);
        message = (struct bus1_message){.type = 0};
        ck_assert_int_eq(bus1_client_recv(client, 0, &metadata, &message), -EINVAL);
        message = (struct bus1_message){.type = BUS1_INVALID, .flags = 1ULL << 40};
        ck_assert_int_eq(bus1_client_recv(client, 0, &metadata, &message), -EINVAL);
        expect_data(client, node, "", 0);

        ck_assert_int_eq(bus1_client_query(client, &query), -EINVAL);
        bus1_client_free(client);
}

TRANSPORT_TEST(limits_are_those_that_query_reports) {
        struct bus1_client *client = fixture_client_new(fixture);
        struct bus1_cmd_query query = {};
        struct bus1_transfer *src, *dst;
        uint64_t *ids, node;
        size_t n;

        ck_assert_int_eq(bus1_client_query(client, &query), 0);
        ck_assert_uint_eq(query.version, BUS1_VERSION);
        ck_assert_uint_ge(query.max_data, (128 << 20) + 65536);
        ck_assert_uint_ge(query.max_fds, 252);

        n = query.max_transfers;
        src = calloc(n + 1, sizeof(*src));
        dst = calloc(n + 1, sizeof(*dst));
        for (size_t i = 0; i < n + 1; i++)
                src[i] = (struct bus1_transfer){BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
        ck_assert_int_eq(bus1_client_transfer(client, NULL, n + 1, src, dst), -EMSGSIZE);
        ck_assert_int_eq(bus1_client_transfer(client, NULL, n, src, dst), 0);
        ck_assert_uint_ne(src[n - 1].id, BUS1_INVALID);
        ck_assert_uint_ne(dst[n - 1].id, BUS1_INVALID);

        node = src[0].id;
        n = query.max_destinations;
        ids = calloc(n + 1, sizeof(*ids));
        for (size_t i = 0; i < n + 1; i++)
                ids[i] = dst[i % query.max_transfers].id;
        ck_assert_int_eq(bus1_client_send(client, n + 1, ids, NULL, &(struct bus1_message){}),
                         -EMSGSIZE);
        /* send to thousands of destinations at once */
        ck_assert_int_eq(
                bus1_client_send(client, n / 2 + 4000, ids, NULL, &(struct bus1_message){}), 0);
        expect_data(client, node, "", 0);
        ck_assert_int_eq(bus1_client_query(client, &query), 0);
        ck_assert_uint_eq(query.n_messages, n / 2 + 4000 - 1);
        ck_assert_uint_eq(query.n_nodes, query.max_transfers);
        ck_assert_uint_eq(query.n_handles, query.max_transfers);

        free(ids);
        free(src);
        free(dst);
        bus1_client_free(client);
}

int main(void) {
        const TTest *const tests[] = {
                node_is_created_with_a_handle,
                message_arrives_at_its_node,
                data_is_gathered_and_scattered,
                data_is_copied_by_send,
                errors_are_written_only_on_success,
                vectors_must_hold_the_data,
                empty_queue_is_eagain,
                too_small_reports_sizes_and_keeps_message,
                data_of_every_size_arrives_unchanged,
                big_message_fits_vectors_of_the_receiver,
                multicast_reaches_every_destination,
                handle_travels_in_a_message,
                handles_are_copied_between_peers,
                unknown_ids_are_refused_without_effect,
                bad_flags_are_refused,
                limits_are_those_that_query_reports,
        };

        return run_transport_tests("transport", tests, sizeof(tests) / sizeof(tests[0]));
}
