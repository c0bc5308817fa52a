/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Descriptors and credentials of messages, and the answers of query, on every transport. */

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

/* descriptors and credentials */

TRANSPORT_TEST(descriptors_travel) {
        struct bus1_client *client = fixture_client_new(fixture);
        enum { N = 252 };
        int fds[N], before;
        struct bus1_message_fds message = {
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .n_fds = N,
                .ptr_fds = (uintptr_t)fds,
        };
        struct bus1_received *received;
        struct bus1_metadata metadata;
        struct stat a, b;
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        before = count_fds();
        for (int i = 0; i < N; i++) {
                fds[i] = memfd_create("test", MFD_CLOEXEC);
                ck_assert_int_ge(fds[i], 0);
        }

        /* all descriptors arrive, each refers to its file */
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message.message), 0);
        ck_assert_int_eq(bus1_client_recv_alloc(client, &received), 0);
        ck_assert_uint_eq(received->n_fds, N);
        for (int i = 0; i < N; i++) {
                ck_assert_int_ge(fstat(fds[i], &a), 0);
                ck_assert_int_ge(fstat(received->fds[i], &b), 0);
                ck_assert_uint_eq(a.st_ino, b.st_ino);
                ck_assert(fcntl(received->fds[i], F_GETFD) & FD_CLOEXEC);
        }
        /* bus1_received_free() closes no descriptor that the caller has replaced by -1 */
        ck_assert_int_ge(dup2(received->fds[3], fds[3]), 0);
        received->fds[3] = (close(received->fds[3]), -1);
        bus1_received_free(received);

        /* a receive that requests no descriptors gets none */
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message.message), 0);
        for (int i = 0; i < N; i++)
                close(fds[i]);
        message.message = (struct bus1_message){.type = BUS1_INVALID};
        ck_assert_int_eq(bus1_client_recv(client, 0, &metadata, &message.message), 0);
        expect_nothing(client);
        wait_fds(before);

        /* a closed descriptor cannot be sent */
        message.message = (struct bus1_message){.flags = BUS1_MESSAGE_FLAG_FDS};
        message.n_fds = 1;
        message.ptr_fds = (uintptr_t)fds;
        ck_assert_int_eq(bus1_client_send(client, 1, &handle, NULL, &message.message), -EBADF);
        expect_nothing(client);
        wait_fds(before);
        bus1_client_free(client);
}

TRANSPORT_TEST(descriptors_travel_with_big_data_to_many) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        size_t n = 500000;
        uint8_t *data = malloc(n);
        struct iovec vec = {data, n};
        int fds[2], before;
        struct bus1_message_fds message = {
                .message.flags = BUS1_MESSAGE_FLAG_FDS,
                .message.n_data = n,
                .message.n_data_vecs = 1,
                .message.ptr_data_vecs = (uintptr_t)&vec,
                .n_fds = 2,
                .ptr_fds = (uintptr_t)fds,
        };
        struct bus1_client *clients[2] = {a, b};
        uint64_t nodes[2], handles[2], owned;

        fill(data, n, 3);
        ck_assert_int_eq(bus1_client_create_node(a, 0, &nodes[0], &handles[0]), 0);
        ck_assert_int_eq(bus1_client_create_node(b, 0, &nodes[1], &owned), 0);
        handles[1] = give_handle(b, a, owned);

        before = count_fds();
        ck_assert_int_ge(pipe2(fds, O_CLOEXEC), 0);
        ck_assert_int_eq(bus1_client_send(a, 2, handles, NULL, &message.message), 0);
        close(fds[0]);
        close(fds[1]);

        for (int i = 0; i < 2; i++) {
                struct bus1_received *received;

                ck_assert_int_eq(bus1_client_recv_alloc(clients[i], &received), 0);
                ck_assert_uint_eq(received->metadata.metadata.id, nodes[i]);
                ck_assert_uint_eq(received->n_data, n);
                ck_assert(memcmp(received->data, data, n) == 0);
                ck_assert_uint_eq(received->n_fds, 2);
                ck_assert_int_eq(write(received->fds[1], "xy", 2), 2);
                ck_assert_int_eq(read(received->fds[0], data, 2), 2);
                fill(data, n, 3);
                bus1_received_free(received);
        }
        wait_fds(before);

        free(data);
        bus1_client_free(a);
        bus1_client_free(b);
}

TRANSPORT_TEST(credentials_are_the_senders) {
        struct bus1_client *client = fixture_client_new(fixture);
        struct bus1_metadata_credentials metadata = {};
        struct bus1_message message;
        uint64_t node, handle;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(send_data(client, handle, NULL, 0), 0);
        ck_assert_int_eq(send_data(client, handle, NULL, 0), 0);

        message = (struct bus1_message){.type = BUS1_INVALID};
        ck_assert_int_eq(
                bus1_client_recv(client, BUS1_RECV_FLAG_CREDENTIALS, &metadata.metadata, &message),
                0);
        ck_assert_uint_eq(metadata.metadata.account, geteuid());
        ck_assert_uint_eq(metadata.uid, geteuid());
        ck_assert_uint_eq(metadata.gid, getegid());
        ck_assert_uint_eq(metadata.pid, getpid());
        ck_assert_uint_eq(metadata.tid, gettid());

        /* credentials are not written if they are not requested */
        metadata.uid = 4711;
        message = (struct bus1_message){.type = BUS1_INVALID};
        ck_assert_int_eq(bus1_client_recv(client, 0, &metadata.metadata, &message), 0);
        ck_assert_uint_eq(metadata.metadata.account, geteuid());
        ck_assert_uint_eq(metadata.uid, 4711);
        bus1_client_free(client);
}

TRANSPORT_TEST(query_reports_usage) {
        struct bus1_client *client = fixture_client_new(fixture);
        struct bus1_cmd_query query = {};
        uint64_t node, handle, features;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(send_data(client, handle, "12345", 5), 0);
        ck_assert_int_eq(send_data(client, handle, "678", 3), 0);
        ck_assert_int_eq(bus1_client_query(client, &query), 0);
        ck_assert_uint_eq(query.flags, 0);
        features = BUS1_FEATURE_FDS | BUS1_FEATURE_CREDENTIALS | BUS1_FEATURE_ONESHOT;
        ck_assert_uint_eq(query.features & features, features);
        ck_assert_uint_eq(query.n_nodes, 1);
        ck_assert_uint_eq(query.n_handles, 1);
        ck_assert_uint_eq(query.n_messages, 2);
        ck_assert_uint_ge(query.n_bytes, 8);
        bus1_client_free(client);
}

TRANSPORT_TEST(peers_of_other_cores_are_far_away) {
        struct bus1_client *client = fixture_client_new(fixture), *other;
        struct bus1_domain *domain;
        uint64_t node, handle;
        struct bus1_transfer src, dst;

        ck_assert_int_eq(bus1_domain_new(&domain), 0);
        ck_assert_int_eq(bus1_domain_client_new(domain, &other), 0);
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        src = (struct bus1_transfer){.id = handle};
        ck_assert_int_eq(bus1_client_transfer(client, other, 1, &src, &dst), -EXDEV);
        bus1_client_free(other);
        bus1_domain_free(domain);
        bus1_client_free(client);
}

int main(void) {
        const TTest *const tests[] = {
                descriptors_travel,
                descriptors_travel_with_big_data_to_many,
                credentials_are_the_senders,
                query_reports_usage,
                peers_of_other_cores_are_far_away,
        };

        return run_transport_tests("attachments", tests, sizeof(tests) / sizeof(tests[0]));
}
