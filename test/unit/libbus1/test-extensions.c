/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Extensions of the bus1 interface (CONTINUE, PEEK, DISCARD, ...), on every transport. */

#include "test/unit/libbus1/fixture.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static bool has_feature(struct bus1_client *client, uint64_t feature) {
        struct bus1_cmd_query query = {};

        ck_assert_int_eq(bus1_client_query(client, &query), 0);
        return query.features & feature;
}

TRANSPORT_TEST(extensions_are_announced) {
        struct bus1_client *client = fixture_client_new(fixture);

        ck_assert(has_feature(client, BUS1_FEATURE_CONTINUE));
        ck_assert(has_feature(client, BUS1_FEATURE_PEEK));
        ck_assert(has_feature(client, BUS1_FEATURE_RESET));
        ck_assert(has_feature(client, BUS1_FEATURE_SECCTX));
        ck_assert(has_feature(client, BUS1_FEATURE_DISCARD));
        ck_assert(!has_feature(client, UINT64_C(1) << 63));
        bus1_client_free(client);
}

TRANSPORT_TEST(send_goes_on_when_a_destination_fails) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        struct bus1_transfer created[2] = {{BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID},
                                           {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID}};
        uint64_t nodes[2], own[2], handles[3];
        int32_t errors[3] = {1, 1, 1};
        struct iovec vec = {"text", 4};
        struct bus1_message message = {
                .n_transfers = 2,
                .ptr_transfers = (uintptr_t)created,
                .n_data = 4,
                .n_data_vecs = 1,
                .ptr_data_vecs = (uintptr_t)&vec,
        };
        struct bus1_received *received;

        for (int i = 0; i < 2; i++) {
                ck_assert_int_eq(bus1_client_create_node(a, 0, &nodes[i], &own[i]), 0);
                handles[i] = give_handle(a, b, own[i]);
        }
        handles[2] = handles[1];
        ck_assert_int_eq(bus1_client_release_one(a, nodes[0]), 0);
        expect_notification(a, BUS1_MESSAGE_TYPE_NODE_RELEASE, own[0]);

        ck_assert_int_eq(bus1_client_send_flags(b, 0x80, 3, handles, errors, &message), -EINVAL);
        ck_assert_int_eq(errors[0], 1);
        ck_assert_int_eq(
                bus1_client_send_flags(b, BUS1_SEND_FLAG_CONTINUE, 3, handles, errors, &message),
                0);
        ck_assert_int_eq(errors[0], -EHOSTUNREACH);
        ck_assert_int_eq(errors[1], 0);
        ck_assert_int_eq(errors[2], 0);
        ck_assert_uint_ne(created[0].id, BUS1_INVALID);
        ck_assert_uint_ne(created[1].id, BUS1_INVALID);
        for (int i = 0; i < 2; i++) {
                wait_readable(a);
                ck_assert_int_eq(bus1_client_recv_alloc(a, &received), 0);
                ck_assert_uint_eq(received->metadata.metadata.id, nodes[1]);
                ck_assert_uint_eq(received->n_transfers, 2);
                bus1_received_free(received);
        }

        /* The caller need not pass errors. Without CONTINUE, a lost destination is no error. */
        message.n_transfers = 0;
        ck_assert_int_eq(
                bus1_client_send_flags(b, BUS1_SEND_FLAG_CONTINUE, 1, handles, NULL, &message), 0);
        ck_assert_int_eq(bus1_client_send(b, 1, handles, errors, &message), 0);
        ck_assert_int_eq(errors[0], 0);
        expect_nothing(a);
        bus1_client_free(a);
        bus1_client_free(b);
}

TRANSPORT_TEST(errors_of_many_destinations_come_back) {
        struct bus1_client *client = fixture_client_new(fixture);
        uint64_t node, handle, gone_node, gone, *ids;
        struct bus1_cmd_query query = {};
        int32_t *errors;
        size_t n;

        ck_assert_int_eq(bus1_client_query(client, &query), 0);
        n = query.max_destinations;
        ids = calloc(n, sizeof(*ids));
        errors = calloc(n, sizeof(*errors));
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(bus1_client_create_node(client, 0, &gone_node, &gone), 0);
        ck_assert_int_eq(bus1_client_release_one(client, gone_node), 0);
        for (size_t i = 0; i < n; i++)
                ids[i] = i % 3 ? gone : handle;
        ck_assert_int_eq(bus1_client_send_flags(client, BUS1_SEND_FLAG_CONTINUE, n, ids, errors,
                                                &(struct bus1_message){}),
                         0);
        for (size_t i = 0; i < n; i++)
                ck_assert_int_eq(errors[i], i % 3 ? -EHOSTUNREACH : 0);
        ck_assert_int_eq(bus1_client_query(client, &query), 0);
        ck_assert_uint_eq(query.n_messages, (n + 2) / 3 + 1);
        free(errors);
        free(ids);
        bus1_client_free(client);
}

TRANSPORT_TEST(peek_leaves_the_message_queued) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        /* the last size is more than one packet of a socket holds */
        static const size_t sizes[] = {0, 5, 70000, 3000000};
        uint64_t node, own, handle;

        ck_assert_int_eq(bus1_client_create_node(a, 0, &node, &own), 0);
        handle = give_handle(a, b, own);

        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
                uint8_t *data = malloc(sizes[k] + 1), *in = malloc(sizes[k] + 1);
                struct bus1_metadata_credentials metadata = {};
                struct bus1_transfer transfer, seen = {}, again = {};
                struct iovec vec = {data, sizes[k]};
                int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), in_fd = -7, before;
                struct bus1_message_fds message = {
                        .message.flags = BUS1_MESSAGE_FLAG_FDS,
                        .message.n_transfers = 1,
                        .message.ptr_transfers = (uintptr_t)&transfer,
                        .message.n_data = sizes[k],
                        .message.n_data_vecs = 1,
                        .message.ptr_data_vecs = (uintptr_t)&vec,
                        .n_fds = 1,
                        .ptr_fds = (uintptr_t)&fd,
                };

                transfer = (struct bus1_transfer){.id = handle};
                fill(data, sizes[k], k);
                ck_assert_int_ge(fd, 0);
                ck_assert_int_eq(bus1_client_send(b, 1, &handle, NULL, &message.message), 0);
                close(fd);
                wait_readable(a);
                /* the server has closed the descriptors of the message */
                fixture_lock(fixture);
                before = count_fds();
                fixture_unlock(fixture);

                vec.iov_base = in;
                message.ptr_fds = (uintptr_t)&in_fd;
                message.message.ptr_transfers = (uintptr_t)&seen;
                for (int i = 0; i < 3; i++) {
                        memset(in, 0, sizes[k]);
                        message.message.type = BUS1_INVALID;
                        /* a peek needs no room for the descriptors */
                        message.n_fds = i == 1 ? 0 : 1;
                        ck_assert_int_eq(
                                bus1_client_recv(a,
                                                 BUS1_RECV_FLAG_PEEK | BUS1_RECV_FLAG_CREDENTIALS,
                                                 &metadata.metadata, &message.message),
                                0);
                        ck_assert_uint_eq(message.message.type, BUS1_MESSAGE_TYPE_USER);
                        ck_assert_uint_eq(message.message.n_data, sizes[k]);
                        ck_assert_uint_eq(message.message.n_transfers, 1);
                        ck_assert_uint_eq(message.n_fds, 1);
                        ck_assert_int_eq(in_fd, -7);
                        ck_assert_int_eq(count_fds(), before);
                        ck_assert(memcmp(in, data, sizes[k]) == 0);
                        ck_assert_uint_eq(metadata.metadata.id, node);
                        ck_assert_uint_eq(metadata.pid, getpid());
                        ck_assert_uint_ne(seen.id, BUS1_INVALID);
                        ck_assert(is_readable(a));
                        /* the peek gave the caller no handle yet */
                        ck_assert_int_eq(bus1_client_release_one(a, seen.id), -EBADRQC);
                }

                /* a peek reports sizes like a receive that takes the message */
                if (sizes[k] > 0) {
                        message.message.type = BUS1_INVALID;
                        message.message.n_data = sizes[k] - 1;
                        ck_assert_int_eq(bus1_client_recv(a, BUS1_RECV_FLAG_PEEK,
                                                          &metadata.metadata, &message.message),
                                         -EMSGSIZE);
                        ck_assert_uint_eq(message.message.n_data, sizes[k]);
                }

                memset(in, 0, sizes[k]);
                message.message.type = BUS1_INVALID;
                message.message.ptr_transfers = (uintptr_t)&again;
                ck_assert_int_eq(bus1_client_recv(a, 0, &metadata.metadata, &message.message), 0);
                ck_assert(memcmp(in, data, sizes[k]) == 0);
                ck_assert_uint_eq(again.id, seen.id);
                ck_assert_int_ge(in_fd, 0);
                close(in_fd);
                ck_assert_int_eq(bus1_client_release_one(a, again.id), 0);
                expect_nothing(a);
                free(data);
                free(in);
        }

        /* peek at notifications as well */
        {
                struct bus1_message message = {.type = BUS1_INVALID};
                struct bus1_metadata metadata;

                ck_assert_int_eq(bus1_client_recv(a, BUS1_RECV_FLAG_PEEK, &metadata, &message),
                                 -EAGAIN);
                ck_assert_int_eq(bus1_client_release_one(a, node), 0);
                wait_readable(b);
                ck_assert_int_eq(bus1_client_recv(b, BUS1_RECV_FLAG_PEEK, &metadata, &message), 0);
                ck_assert_uint_eq(message.type, BUS1_MESSAGE_TYPE_NODE_RELEASE);
                ck_assert_uint_eq(metadata.id, handle);
                expect_notification(b, BUS1_MESSAGE_TYPE_NODE_RELEASE, handle);
                expect_nothing(b);
        }
        bus1_client_free(a);
        bus1_client_free(b);
}

TRANSPORT_TEST(discard_needs_no_room) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        static const size_t sizes[] = {0, 5, 70000, 3000000};
        uint64_t node, own, handle, created;

        ck_assert_int_eq(bus1_client_create_node(a, 0, &node, &own), 0);
        handle = give_handle(a, b, own);

        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
                uint8_t *data = malloc(sizes[k] + 1);
                struct bus1_metadata_credentials metadata = {};
                struct bus1_transfer transfer = {BUS1_TRANSFER_FLAG_CREATE, BUS1_INVALID};
                struct iovec vec = {data, sizes[k]};
                struct bus1_cmd_query query = {};
                int pair[2], in_fd = -7;
                struct bus1_message_fds message = {
                        .message.flags = BUS1_MESSAGE_FLAG_FDS,
                        .message.n_transfers = 1,
                        .message.ptr_transfers = (uintptr_t)&transfer,
                        .message.n_data = sizes[k],
                        .message.n_data_vecs = 1,
                        .message.ptr_data_vecs = (uintptr_t)&vec,
                        .n_fds = 1,
                        .ptr_fds = (uintptr_t)&pair[1],
                };
                char c;

                fill(data, sizes[k], k);
                ck_assert_int_eq(pipe2(pair, O_CLOEXEC | O_NONBLOCK), 0);
                ck_assert_int_eq(bus1_client_send(b, 1, &handle, NULL, &message.message), 0);
                close(pair[1]);
                created = transfer.id;
                ck_assert_int_eq(send_data(b, handle, "next", 4), 0);
                wait_readable(a);

                message = (struct bus1_message_fds){
                        .message.flags = BUS1_MESSAGE_FLAG_FDS,
                        .message.type = BUS1_INVALID,
                        .ptr_fds = (uintptr_t)&in_fd,
                };
                ck_assert_int_eq(bus1_client_recv(a, BUS1_RECV_FLAG_DISCARD | BUS1_RECV_FLAG_PEEK,
                                                  &metadata.metadata, &message.message),
                                 -EINVAL);
                ck_assert_int_eq(
                        bus1_client_recv(a, BUS1_RECV_FLAG_DISCARD | BUS1_RECV_FLAG_CREDENTIALS,
                                         &metadata.metadata, &message.message),
                        0);
                ck_assert_uint_eq(message.message.type, BUS1_MESSAGE_TYPE_USER);
                ck_assert_uint_eq(message.message.n_data, sizes[k]);
                ck_assert_uint_eq(message.message.n_transfers, 1);
                ck_assert_uint_eq(message.n_fds, 1);
                ck_assert_int_eq(in_fd, -7);
                ck_assert_uint_eq(metadata.metadata.id, node);
                ck_assert_uint_eq(metadata.pid, getpid());

                /* the discard released everything in the message, and the next message is there */
                ck_assert_int_eq(read(pair[0], &c, 1), 0);
                close(pair[0]);
                wait_readable(b);
                expect_notification(b, BUS1_MESSAGE_TYPE_HANDLE_RELEASE, created);
                ck_assert_int_eq(bus1_client_query(a, &query), 0);
                ck_assert_uint_eq(query.n_bytes, 4);
                ck_assert_uint_eq(query.n_handles, 1);
                ck_assert(is_readable(a));
                expect_data(a, node, "next", 4);
                message.message.type = BUS1_INVALID;
                ck_assert_int_eq(bus1_client_recv(a, BUS1_RECV_FLAG_DISCARD, &metadata.metadata,
                                                  &message.message),
                                 -EAGAIN);
                ck_assert(!is_readable(a));
                free(data);
        }

        /* a discard takes a notification like a receive does */
        {
                struct bus1_message message = {.type = BUS1_INVALID};
                struct bus1_metadata metadata;

                ck_assert_int_eq(bus1_client_release_one(a, node), 0);
                wait_readable(b);
                ck_assert_int_eq(bus1_client_recv(b, BUS1_RECV_FLAG_DISCARD, &metadata, &message),
                                 0);
                ck_assert_uint_eq(message.type, BUS1_MESSAGE_TYPE_NODE_RELEASE);
                ck_assert_uint_eq(metadata.id, handle);
                ck_assert_int_eq(bus1_client_release_one(b, handle), -EBADRQC);
                expect_nothing(b);
        }
        bus1_client_free(a);
        bus1_client_free(b);
}

/* Read the label of this process. Returns its size; 0 if there is neither SELinux nor Smack. */
static size_t read_label(char *label, size_t n_max) {
        ssize_t n;
        int fd;

        if (access("/sys/fs/selinux", F_OK) < 0 && access("/sys/fs/smackfs", F_OK) < 0)
                return 0;
        fd = open("/proc/self/attr/current", O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, label, n_max);
        if (fd >= 0)
                close(fd);
        while (n > 0 && (label[n - 1] == '\n' || label[n - 1] == '\0'))
                --n;
        return n > 0 ? n : 0;
}

TRANSPORT_TEST(security_label_is_the_senders) {
        struct bus1_client *client = fixture_client_new(fixture);
        char expected[4096], label[4096] = "unchanged";
        struct bus1_metadata_secctx metadata = {.ptr_secctx = (uintptr_t)label};
        struct bus1_message message;
        uint64_t node, handle;
        size_t n = 0;

        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        for (int i = 0; i < 2; i++)
                ck_assert_int_eq(send_data(client, handle, "1", 1), 0);
        ck_assert_int_eq(bus1_client_release_one(client, handle), 0);
        if (fixture->kind == FIXTURE_DEVICE)
                n = read_label(expected, sizeof(expected));

        for (int i = 0; i < 2; i++) {
                char byte;
                struct iovec vec = {&byte, 1};

                message = (struct bus1_message){.type = BUS1_INVALID,
                                                .n_data = 1,
                                                .n_data_vecs = 1,
                                                .ptr_data_vecs = (uintptr_t)&vec};
                metadata.n_secctx = n > 0 ? n - 1 : 0;
                if (n > 0) {
                        /* the buffer is one byte too short, then right */
                        ck_assert_int_eq(bus1_client_recv(client, BUS1_RECV_FLAG_SECCTX,
                                                          (struct bus1_metadata *)&metadata,
                                                          &message),
                                         -EMSGSIZE);
                        ck_assert_uint_eq(metadata.n_secctx, n);
                        ck_assert_str_eq(label, "unchanged");
                }
                ck_assert_int_eq(bus1_client_recv(client, BUS1_RECV_FLAG_SECCTX,
                                                  (struct bus1_metadata *)&metadata, &message),
                                 0);
                ck_assert_uint_eq(metadata.credentials.metadata.id, node);
                ck_assert_uint_eq(metadata.credentials.pid, getpid());
                ck_assert_uint_eq(metadata.n_secctx, n > 0 ? n : BUS1_INVALID);
                ck_assert_uint_eq(metadata.ptr_secctx, (uintptr_t)label);
                ck_assert(n == 0 || memcmp(label, expected, n) == 0);
                strcpy(label, "unchanged");
        }

        /* notifications have no label */
        message = (struct bus1_message){.type = BUS1_INVALID};
        metadata.n_secctx = 0;
        ck_assert_int_eq(bus1_client_recv(client, BUS1_RECV_FLAG_SECCTX,
                                          (struct bus1_metadata *)&metadata, &message),
                         0);
        ck_assert_uint_eq(message.type, BUS1_MESSAGE_TYPE_HANDLE_RELEASE);
        ck_assert_uint_eq(metadata.n_secctx, BUS1_INVALID);
        ck_assert_uint_eq(metadata.credentials.uid, BUS1_INVALID);
        bus1_client_free(client);
}

TRANSPORT_TEST(pool_is_the_devices) {
        struct bus1_client *client = fixture_client_new(fixture);
        bool has_pool = has_feature(client, BUS1_FEATURE_POOL);
        struct bus1_message_pool message = {
                .fds.message = {.flags = BUS1_MESSAGE_FLAG_POOL,
                                .type = BUS1_INVALID,
                                .n_data = UINT64_MAX},
                .offset = UINT64_MAX,
        };
        struct bus1_metadata metadata;
        uint64_t node, handle;
        const char *pool;

        ck_assert(has_pool == (fixture->kind == FIXTURE_DEVICE));
        ck_assert_int_eq(bus1_client_create_node(client, 0, &node, &handle), 0);
        ck_assert_int_eq(send_data(client, handle, "text", 4), 0);
        wait_readable(client);
        ck_assert_int_eq(bus1_client_recv(client, 0, &metadata, &message.fds.message),
                         has_pool ? 0 : -EINVAL);
        if (has_pool) {
                pool = mmap(NULL, 4096, PROT_READ, MAP_SHARED, bus1_client_get_peer_fd(client), 0);
                ck_assert_ptr_ne(pool, MAP_FAILED);
                ck_assert_uint_eq(message.fds.message.n_data, 4);
                ck_assert_mem_eq(pool + message.offset, "text", 4);
                ck_assert_int_eq(munmap((void *)pool, 4096), 0);
                ck_assert_int_eq(bus1_client_slice_release(client, message.offset), 0);
                ck_assert_int_eq(bus1_client_slice_release(client, message.offset), -EBADRQC);
        } else {
                expect_data(client, node, "text", 4);
                ck_assert_int_eq(bus1_client_slice_release(client, 0), -EOPNOTSUPP);
        }
        bus1_client_free(client);
}

TRANSPORT_TEST(disconnected_peer_hangs_up) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        struct pollfd p = {.fd = bus1_client_get_fd(a), .events = POLLIN};
        struct bus1_message message = {.type = BUS1_INVALID};
        struct bus1_transfer src = {.flags = BUS1_TRANSFER_FLAG_CREATE, .id = BUS1_INVALID}, dst;
        struct epoll_event event = {.events = 0};
        struct bus1_cmd_query query = {};
        struct bus1_metadata metadata;
        uint64_t node, own, handle;
        int epoll_fd;

        ck_assert_int_eq(bus1_client_create_node(a, 0, &node, &own), 0);
        handle = give_handle(a, b, own);
        ck_assert_int_eq(send_data(b, handle, "lost", 4), 0);

        /* On the device, an epoll that asks for no events sees the end of the peer as EPOLLHUP. */
        epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        ck_assert_int_eq(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, p.fd, &event), 0);
        ck_assert_int_eq(epoll_wait(epoll_fd, &event, 1, 0), 0);
        ck_assert_int_eq(bus1_client_disconnect(a), 0);
        if (fixture->kind == FIXTURE_DEVICE) {
                ck_assert_int_eq(epoll_wait(epoll_fd, &event, 1, 0), 1);
                ck_assert_uint_eq(event.events, EPOLLHUP);
        }
        close(epoll_fd);

        ck_assert_int_eq(poll(&p, 1, 1000), 1);
        ck_assert_int_eq(bus1_client_disconnect(a), -ESHUTDOWN);
        ck_assert_int_eq(bus1_client_reset(a), -ESHUTDOWN);
        ck_assert_int_eq(bus1_client_query(a, &query), -ESHUTDOWN);
        ck_assert_int_eq(bus1_client_release_one(a, node), -ESHUTDOWN);
        ck_assert_int_eq(send_data(a, own, "x", 1), -ESHUTDOWN);
        ck_assert_int_eq(bus1_client_recv(a, 0, &metadata, &message), -ESHUTDOWN);
        ck_assert_int_eq(bus1_client_transfer(a, b, 1, &src, &dst), -ESHUTDOWN);
        ck_assert_int_eq(bus1_client_transfer(b, a, 1, &src, &dst), -ESHUTDOWN);
        expect_notification(b, BUS1_MESSAGE_TYPE_NODE_RELEASE, handle);
        expect_nothing(b);
        bus1_client_free(a);
        bus1_client_free(b);
}

TRANSPORT_TEST(peer_begins_anew_after_a_reset) {
        struct bus1_client *a = fixture_client_new(fixture), *b = fixture_client_new(fixture);
        uint64_t node, own, handle, b_node, b_own, again, own_again, handle_again;
        struct bus1_cmd_query query = {};

        ck_assert_int_eq(bus1_client_create_node(a, 0, &node, &own), 0);
        handle = give_handle(a, b, own);
        ck_assert_int_eq(bus1_client_create_node(b, 0, &b_node, &b_own), 0);
        give_handle(b, a, b_own);
        ck_assert_int_eq(bus1_client_release_one(b, b_own), 0);
        ck_assert_int_eq(send_data(b, handle, "lost", 4), 0);
        ck_assert(is_readable(a));

        ck_assert_int_eq(bus1_client_reset(a), 0);
        ck_assert(!is_readable(a));
        expect_nothing(a);
        ck_assert_int_eq(bus1_client_query(a, &query), 0);
        ck_assert_uint_eq(query.n_nodes, 0);
        ck_assert_uint_eq(query.n_handles, 0);
        ck_assert_uint_eq(query.n_messages, 0);
        ck_assert_uint_eq(query.n_bytes, 0);
        expect_notification(b, BUS1_MESSAGE_TYPE_NODE_RELEASE, handle);
        expect_notification(b, BUS1_MESSAGE_TYPE_HANDLE_RELEASE, b_node);

        ck_assert_int_eq(bus1_client_create_node(a, 0, &again, &own_again), 0);
        ck_assert_uint_gt(again, node);
        ck_assert_int_eq(bus1_client_release_one(a, node), -EBADRQC);
        handle_again = give_handle(a, b, own_again);
        ck_assert_int_eq(send_data(b, handle_again, "found", 5), 0);
        wait_readable(a);
        expect_data(a, again, "found", 5);
        bus1_client_free(a);
        bus1_client_free(b);
}

int main(void) {
        const TTest *const tests[] = {
                extensions_are_announced,
                send_goes_on_when_a_destination_fails,
                errors_of_many_destinations_come_back,
                peek_leaves_the_message_queued,
                discard_needs_no_room,
                security_label_is_the_senders,
                pool_is_the_devices,
                disconnected_peer_hangs_up,
                peer_begins_anew_after_a_reset,
        };

        return run_transport_tests("extensions", tests, sizeof(tests) / sizeof(tests[0]));
}
